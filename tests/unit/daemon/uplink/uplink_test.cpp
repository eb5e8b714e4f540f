#include "daemon/uplink/uplink.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

ExportOptions raw_of(const std::string& stream, int priority) {
  ExportOptions options;
  options.name = stream + "-to-cloud";
  options.stream = stream;
  options.topic = stream;
  options.format = Format::kRaw;
  options.priority = priority;
  return options;
}

struct Bench {
  FakeTime time;
  Metrics metrics;
  FakeLink link;
  FakeLetters letters;
  FakeSource* telemetry = nullptr;
  FakeSource* alarms = nullptr;
  std::unique_ptr<Uplink> uplink;

  Bench() {
    UplinkOptions options;
    options.session.name = "cloud";
    options.session.endpoints.resize(1);
    options.session.endpoints[0].host = "broker";
    options.session.window = 8;
    options.gateway_id = "gw";
    options.exports = {raw_of("telemetry", 5), raw_of("alarms", 1)};
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(std::make_unique<FakeSource>(store::StreamId{0}));
    sources.push_back(std::make_unique<FakeSource>(store::StreamId{1}));
    telemetry = static_cast<FakeSource*>(sources[0].get());
    alarms = static_cast<FakeSource*>(sources[1].get());
    uplink = std::make_unique<Uplink>(std::move(options), link, std::move(sources), time.clock,
                                      time.timers, metrics, 1, letters.take());
    uplink->start();
  }
  void connect() {
    link.connect();
    telemetry->answer();
    alarms->answer();
  }
  void ack_all() {
    for (std::size_t acked = 0; acked < link.sent.size(); ++acked) link.ack_nth(acked);
  }
};

}  // namespace

TEST_CASE("an alarm overtakes the backlog of another stream") {
  Bench bench;
  bench.telemetry->append_count(100);
  bench.connect();
  CHECK(bench.link.sent.size() == 8);
  bench.alarms->append("fire");
  bench.uplink->on_advanced(1);
  bench.alarms->answer();
  bench.link.ack_nth(0);
  CHECK(bench.link.sent.back().topic == "alarms");
  bench.link.ack_nth(1);
  CHECK(bench.link.sent.back().topic == "telemetry");
}

TEST_CASE(
    "first arrivals are in order through lost connections, duplicates only of the in-flight") {
  Bench bench;
  bench.telemetry->append_count(100);
  bench.connect();
  std::vector<int> arrivals;
  std::size_t seen = 0;
  std::size_t lost = 0;
  for (int round = 0; round < 1000 && bench.telemetry->cursor <= 100; ++round) {
    for (; seen < bench.link.sent.size(); ++seen) {
      arrivals.push_back(std::stoi(bench.link.sent[seen].payload));
    }
    // The cloud acknowledges the latest first, and every seventh time nothing more.
    if (round % 7 != 6) {
      bench.link.ack_nth(seen - 1 - static_cast<std::size_t>(round % 3));
      bench.link.ack_nth(seen - 8 + static_cast<std::size_t>(round % 2));
      continue;
    }
    lost += bench.uplink->status().session.in_flight;
    bench.link.lose();
    bench.time.advance_ms(150'000);
    bench.connect();
  }
  CHECK(bench.telemetry->cursor == 101);
  int highest = 0;
  std::size_t duplicates = 0;
  for (const int seq : arrivals) {
    if (seq <= highest) {
      ++duplicates;
      continue;
    }
    CHECK(seq == highest + 1);
    highest = seq;
  }
  CHECK(highest == 100);
  CHECK(duplicates <= lost);
}

TEST_CASE("the status and the metrics tell what was sent") {
  Bench bench;
  bench.telemetry->append_count(3);
  CHECK(bench.uplink->status().session.state == SessionState::kConnecting);
  bench.connect();
  bench.ack_all();
  const UplinkStatus status = bench.uplink->status();
  CHECK(status.name == "cloud");
  CHECK(to_string(status.session.state) == "connected");
  CHECK(status.session.endpoint == "mqtt://broker:1883");
  REQUIRE(status.exports.size() == 2);
  CHECK(status.exports[0].name == "telemetry-to-cloud");
  CHECK(status.exports[0].position == 4);
  CHECK(status.exports[0].backlog == 0);
  CHECK(status.exports[0].sent_records == 3);
  CHECK(status.exports[0].sent_bytes == 3);
  CHECK(status.exports[0].last_ack_ms == bench.time.clock.now().wall_ms);
  const std::string text = bench.metrics.text();
  CHECK(text.find("tidegate_uplink_records_sent_total{export=\"telemetry-to-cloud\"} 3") !=
        std::string::npos);
  CHECK(text.find("tidegate_uplink_state{uplink=\"cloud\"} 3") != std::string::npos);
  CHECK(text.find("tidegate_uplink_acked_total{uplink=\"cloud\"} 3") != std::string::npos);
}

TEST_CASE("a stop leaves batches that wait for their age in the store") {
  Bench bench;
  bench.connect();
  bench.telemetry->append_count(20);
  bench.uplink->on_advanced(0);
  bench.telemetry->answer();
  bool stopped = false;
  bench.uplink->stop(2000, [&stopped] { stopped = true; });
  bench.ack_all();
  bench.link.closed();
  CHECK(stopped);
  CHECK(bench.link.sent.size() == 8);
  CHECK(bench.telemetry->cursor == 9);
}

TEST_CASE(
    "a poison record in a full window is found, lettered, and everything else arrives in order") {
  Bench bench;
  bench.telemetry->append_count(60);
  bench.connect();
  std::vector<std::string> arrivals;
  std::size_t seen = 0;
  for (int round = 0; round < 400 && bench.telemetry->cursor <= 60; ++round) {
    bool poisoned = false;
    std::vector<std::uint64_t> acks;
    for (; seen < bench.link.sent.size() && !poisoned; ++seen) {
      poisoned = bench.link.sent[seen].payload == "33";
      if (!poisoned) {
        arrivals.push_back(bench.link.sent[seen].payload);
        acks.push_back(bench.link.sent[seen].id);
      }
    }
    for (const auto id : acks) bench.link.ack(id);
    if (poisoned) {
      seen = bench.link.sent.size();
      bench.link.close_by_peer();
      bench.time.advance_ms(150'000);
      if (!bench.link.is_open()) bench.time.advance_ms(150'000);
      bench.connect();
    }
    bench.time.advance_ms(2000);
    bench.telemetry->answer();
  }
  CHECK(bench.telemetry->cursor == 61);
  REQUIRE(bench.letters.all.size() == 1);
  CHECK(bench.letters.all[0].substr(0, 3) == "33 ");
  int highest = 0;
  for (const auto& payload : arrivals) {
    const int seq = std::stoi(payload);
    if (seq <= highest) continue;
    CHECK(seq == highest + (highest == 32 ? 2 : 1));
    highest = seq;
  }
  CHECK(highest == 60);
  CHECK_FALSE(bench.uplink->status().session.isolating);
}

TEST_CASE("only the export that was paused or set back holds or begins anew") {
  Bench bench;
  bench.telemetry->append_count(4);
  bench.alarms->append_count(2);
  bench.telemetry->paused = true;
  bench.connect();
  CHECK(bench.link.sent.size() == 2);
  bench.ack_all();
  CHECK(bench.alarms->cursor == 3);
  CHECK(bench.uplink->status().exports[0].paused);

  bench.telemetry->paused = false;
  bench.uplink->on_advanced(0);
  bench.telemetry->answer();
  CHECK(bench.link.sent.size() == 6);

  // In flight when it is set back: its acks make room in the window and move no cursor.
  bench.telemetry->cursor = 1;
  bench.uplink->on_rewound(0);
  bench.telemetry->answer();
  CHECK(bench.link.sent.size() == 10);
  CHECK(bench.uplink->status().session.in_flight == 8);
  for (std::size_t i = 2; i < 6; ++i) bench.link.ack_nth(i);
  CHECK(bench.telemetry->cursor == 1);
  CHECK(bench.uplink->status().session.in_flight == 4);
  for (std::size_t i = 6; i < 10; ++i) bench.link.ack_nth(i);
  CHECK(bench.telemetry->cursor == 5);
  CHECK(bench.alarms->cursor == 3);
}
