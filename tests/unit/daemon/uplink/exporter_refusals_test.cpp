// What becomes of records that the cloud refuses, or would refuse.
#include "daemon/uplink/exporter.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/exporter_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = ExporterBench;

namespace {

const LinkEnd kAlone{false, 1, "closed"};

// Sends what there is to send, one at a time, and loses the connection each time `bad` is alone in
// flight. The records that were acknowledged.
Ranges run_isolated(Bench& bench, const std::vector<std::string>& bad, int rounds) {
  Ranges acked;
  for (int round = 0; round < rounds; ++round) {
    bench.link_up();
    while (bench.exporter->is_ready()) {
      const auto publish = bench.exporter->take(++bench.last_id);
      if (std::find(bad.begin(), bad.end(), publish.payload) != bad.end()) break;
      acked.push_back(publish.payload);
      bench.exporter->acked(bench.last_id);
      bench.source.answer();
    }
    bench.exporter->link_closed(kAlone);
  }
  return acked;
}

}  // namespace

TEST_CASE("a record that no publish can hold does not block the stream") {
  Bench bench(json_of(1));
  bench.source.append("1");
  bench.source.append(std::string(200 * 1024, 'x'));
  bench.source.append(std::string(200 * 1024, 'y'));
  bench.source.append("4");
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"1-1", "4-4"});
  CHECK(bench.letters.all ==
        Ranges{"2 too large for a publish 1 xxxxxxxx", "3 too large for a publish 1 yyyyyyyy"});
  CHECK(bench.exporter->status().dead_letters == 2);
  CHECK(bench.exporter->status().blocked.empty());
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 4);
}

TEST_CASE(
    "a record alone in flight at three ends in a row becomes a dead letter, the rest goes on") {
  Bench bench(raw());
  bench.source.append_count(6);
  CHECK(run_isolated(bench, {"3"}, 3) == Ranges{"1", "2"});
  CHECK(bench.exporter->is_suspect());
  CHECK(bench.source.cursor == 3);
  CHECK(bench.letters.all.empty());
  CHECK(run_isolated(bench, {"3"}, 1) == Ranges{"4", "5", "6"});
  CHECK(bench.letters.all == Ranges{"3 closed 3 3"});
  CHECK(bench.source.cursor == 7);
  CHECK_FALSE(bench.exporter->is_suspect());
}

TEST_CASE("a record among others in flight is never condemned, nor one that was acked in between") {
  Bench bench(raw());
  bench.source.append_count(4);
  for (int round = 0; round < 10; ++round) {
    bench.link_up();
    bench.take_all_raw();
    bench.exporter->link_closed({false, 4, "closed"});
  }
  CHECK(bench.letters.all.empty());
  CHECK(bench.source.cursor == 1);
  CHECK(bench.exporter->is_suspect());
}

TEST_CASE("five dead letters in a row for one reason block the export, which keeps its data") {
  Bench bench(raw());
  bench.source.append_count(20);
  CHECK(run_isolated(bench, {"1", "2", "3", "4", "5", "6", "7"}, 30).empty());
  CHECK(bench.letters.all.size() == 5);
  CHECK(bench.source.cursor == 6);
  CHECK(bench.exporter->status().blocked == "closed");
  CHECK_FALSE(bench.exporter->is_suspect());
  bench.link_up();
  bench.append(3);
  CHECK_FALSE(bench.exporter->is_ready());
  const std::string blocked = "tidegate_uplink_export_blocked{export=\"export\"} ";
  CHECK(bench.metrics.text().find(blocked + "1") != std::string::npos);
  {  // of the same name, after a reload
    ExportOptions options = raw();
    options.name = "export";
    const Exporter anew(options, "gw", false, bench.source, bench.time.clock, bench.time.timers,
                        bench.metrics, bench.letters.take(), [] {});
    CHECK(bench.metrics.text().find(blocked + "0") != std::string::npos);
  }
  bench.exporter->unblock();
  bench.source.answer();
  CHECK(bench.exporter->status().blocked.empty());
  REQUIRE(bench.exporter->is_ready());
  CHECK(bench.exporter->take(1000).payload == "6");
}

TEST_CASE("dead letters with records between them that the cloud takes block nothing") {
  Bench bench(raw());
  bench.source.append_count(20);
  run_isolated(bench, {"2", "4", "6", "8", "10", "12", "14", "16"}, 40);
  CHECK(bench.letters.all.size() == 8);
  CHECK(bench.exporter->status().blocked.empty());
  CHECK(bench.source.cursor == 21);
}

TEST_CASE("a record refused by name becomes a dead letter without a new connection") {
  Bench bench(raw());
  bench.link_up();
  bench.append(3);
  bench.take_all_raw();
  CHECK(bench.exporter->refused(2, "not authorised"));
  bench.source.answer();
  CHECK(bench.letters.all == Ranges{"2 not authorised 1 2"});
  CHECK(bench.source.cursor == 1);
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 3);
  bench.exporter->acked(3);
  CHECK(bench.source.cursor == 4);
}

TEST_CASE("a refused record that cannot be read for now is not passed over") {
  Bench bench(raw());
  bench.link_up();
  bench.append(1);
  bench.take_all_raw();
  CHECK(bench.exporter->refused(1, "not authorised"));
  const auto [from, done] = std::move(bench.source.reads.front());
  bench.source.reads.pop_front();
  done(fail(ErrorCode::kIo, "the disk does not answer"));
  CHECK(bench.source.cursor == 1);
  CHECK(bench.letters.all.empty());
  bench.time.timers.advance_ms(1000);
  bench.source.answer();
  CHECK(bench.letters.all == Ranges{"1 not authorised 1 1"});
  CHECK(bench.source.cursor == 2);
}

TEST_CASE("a refused batch is sent record by record, and only what is refused then is lettered") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(10);
  CHECK(bench.take_all() == Ranges{"1-10"});
  CHECK_FALSE(bench.exporter->refused(1, "not authorised"));
  CHECK(bench.exporter->is_suspect());
  bench.exporter->isolate(true);
  bench.exporter->link_closed({});
  bench.link_up();
  for (Seq seq = 1; seq <= 10; ++seq) {
    REQUIRE(bench.exporter->is_ready());
    const auto publish = bench.exporter->take(++bench.last_id);
    CHECK(Bench::range_of(publish.payload) == std::to_string(seq) + '-' + std::to_string(seq));
    if (seq == 4) {
      CHECK(bench.exporter->refused(bench.last_id, "not authorised"));
    } else {
      bench.exporter->acked(bench.last_id);
    }
    bench.source.answer();
  }
  CHECK(bench.letters.all == Ranges{"4 not authorised 1 4"});
  CHECK(bench.source.cursor == 11);
  CHECK_FALSE(bench.exporter->is_suspect());
}

TEST_CASE(
    "a new epoch of the store stands in what is sent from then on; records sent singly stay so") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.exporter->isolate(true);
  bench.source.current_epoch = "8899aabbccddeeff";
  bench.append(2);
  const auto publish = bench.exporter->take(1);
  CHECK(Bench::range_of(publish.payload) == "1-1");
  CHECK(publish.payload.find("8899aabbccddeeff") != std::string::npos);
}

TEST_CASE("a dead letter waits for room, and its record with it") {
  Bench bench(raw());
  bench.letters.has_room = false;
  bench.source.append(std::string(200 * 1024, 'x'));
  bench.source.append("2");
  bench.link_up();
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.source.cursor == 1);
  bench.letters.has_room = true;
  bench.time.advance_ms(1000);
  CHECK(bench.letters.all.size() == 1);
  REQUIRE(bench.exporter->is_ready());
  CHECK(bench.exporter->take(1).payload == "2");
}

TEST_CASE("a topic beyond the limits of the cloud is not sent: it becomes a dead letter") {
  ExportOptions options = raw();
  options.limits.topic_levels = 6;
  Bench bench(options);
  bench.link_up();
  const auto publish = [&bench](const std::string& topic) {
    bench.source.topic = topic;
    bench.append(1);
    if (!bench.exporter->is_ready()) return std::string("not sent");
    const std::string sent_to = bench.exporter->take(++bench.last_id).topic;
    bench.exporter->acked(bench.last_id);
    return sent_to;
  };
  CHECK(publish("a/b/c/d/e") == "up/a/b/c/d/e");
  CHECK(publish("a/b/c/d/e/f") == "not sent");
  CHECK(bench.letters.all == Ranges{"2 a topic of 7 levels, and the cloud takes 6 1 2"});
  CHECK(publish("a/b") == "up/a/b");
  CHECK(bench.source.cursor == 4);
  CHECK(bench.exporter->status().blocked.empty());
  // The topic of the export is wrong, not the records.
  for (int i = 0; i < 7; ++i) CHECK(publish("a/b/c/d/e/f") == "not sent");
  CHECK(bench.letters.all.size() == 1 + 5);
  CHECK(bench.exporter->status().blocked == "a topic of 7 levels, and the cloud takes 6");
  CHECK(bench.source.cursor == 9);
}
