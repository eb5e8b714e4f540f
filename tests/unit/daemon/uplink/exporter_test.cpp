#include "daemon/uplink/exporter.h"

#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

struct Bench {
  FakeTime time;
  Metrics metrics;
  FakeSource source;
  int ready_calls = 0;
  std::unique_ptr<Exporter> exporter;
  std::uint64_t last_id = 0;

  explicit Bench(ExportOptions options, bool with_properties = false) {
    options.name = "export";
    options.stream = "telemetry";
    exporter =
        std::make_unique<Exporter>(std::move(options), "gw", with_properties, source, time.clock,
                                   time.timers, metrics, [this] { ++ready_calls; });
  }

  void append(std::size_t count) {
    source.append_count(count);
    exporter->on_advanced();
    source.answer();
  }
  void link_up() {
    exporter->link_up();
    source.answer();
  }
  // Takes all that is ready; "first-last" of each.
  std::vector<std::string> take_all() {
    std::vector<std::string> out;
    while (exporter->is_ready()) {
      out.push_back(range_of(exporter->take(++last_id).payload));
      source.answer();
    }
    return out;
  }
  static std::string range_of(const std::string& payload) {
    const auto json = nlohmann::json::parse(payload);
    const auto& records = json["records"];
    const auto& last = records[records.size() - 1];
    const auto end = last.contains("gap") ? last["gap"]["last"] : last["seq"];
    return json["first"].dump() + '-' + end.dump();
  }
};

ExportOptions json_of(std::size_t max_records) {
  ExportOptions options;
  options.topic = "dt/gw";
  options.batch.max_records = max_records;
  options.max_age_ms = 5000;
  return options;
}

ExportOptions raw() {
  ExportOptions options;
  options.topic = "up/{topic}";
  options.format = Format::kRaw;
  return options;
}

using Ranges = std::vector<std::string>;

}  // namespace

TEST_CASE("nothing is read without a connection") {
  Bench bench(json_of(10));
  bench.source.append_count(5);
  bench.exporter->on_advanced();
  CHECK(bench.source.reads.empty());
  CHECK_FALSE(bench.exporter->is_ready());
}

TEST_CASE("an idle export neither reads nor sets timers") {
  Bench bench(json_of(10));
  bench.link_up();
  CHECK(bench.source.reads.empty());
  CHECK(bench.time.timers.size() == 0);
}

TEST_CASE("a full batch goes at once, the rest waits for max_age") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(25);
  CHECK(bench.take_all() == Ranges{"1-10", "11-20"});
  bench.time.advance_ms(4999);
  CHECK_FALSE(bench.exporter->is_ready());
  bench.ready_calls = 0;
  bench.time.advance_ms(1);
  CHECK(bench.ready_calls == 1);
  CHECK(bench.take_all() == Ranges{"21-25"});
}

TEST_CASE("the age counts from the first record, later ones join") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.time.advance_ms(60'000);
  bench.append(1);
  bench.time.advance_ms(3000);
  bench.append(1);
  CHECK_FALSE(bench.exporter->is_ready());
  bench.time.advance_ms(2000);
  CHECK(bench.take_all() == Ranges{"1-2"});
}

TEST_CASE("what is older than max_age when the link comes goes at once") {
  Bench bench(json_of(10));
  bench.append(3);
  bench.time.advance_ms(6000);
  bench.link_up();
  bench.time.timers.advance_ms(0);
  CHECK(bench.take_all() == Ranges{"1-3"});
}

TEST_CASE("a batch crosses the ends of chunks") {
  Bench bench(json_of(10));
  bench.source.chunk_records = 3;
  bench.link_up();
  bench.append(20);
  CHECK(bench.take_all() == Ranges{"1-10", "11-20"});
}

TEST_CASE("the cursor follows acks in any order") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(30);
  bench.take_all();
  bench.exporter->acked(2);
  CHECK(bench.source.cursor == 1);
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 21);
  bench.exporter->acked(1);
  bench.exporter->acked(77);
  CHECK(bench.source.cursor == 21);
  bench.exporter->acked(3);
  CHECK(bench.source.cursor == 31);
  const ExporterStatus status = bench.exporter->status();
  CHECK(status.sent_records == 30);
  CHECK(status.sent_batches == 3);
  CHECK(status.backlog == 0);
  CHECK(status.in_flight == 0);
}

TEST_CASE("after a lost connection exactly what was in flight is sent again, in order") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(50);
  CHECK(bench.take_all() == Ranges{"1-10", "11-20", "21-30", "31-40", "41-50"});
  bench.exporter->acked(1);
  bench.exporter->acked(3);
  bench.exporter->link_closed();
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.exporter->status().position == 11);
  bench.append(10);
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"11-20", "31-40", "41-50", "51-60"});
  bench.exporter->acked(2);  // of the old connection
  CHECK(bench.source.cursor == 11);
  bench.exporter->acked(6);
  CHECK(bench.source.cursor == 31);
}

TEST_CASE("a batch after a lost connection never covers what has been acknowledged") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(3);
  bench.time.advance_ms(5000);
  CHECK(bench.take_all() == Ranges{"1-3"});
  bench.append(10);
  CHECK(bench.take_all() == Ranges{"4-13"});
  bench.exporter->acked(2);
  bench.exporter->link_closed();
  bench.append(5);
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"1-3"});
  bench.time.advance_ms(5000);
  CHECK(bench.take_all() == Ranges{"14-18"});
}

TEST_CASE("an answer to a read of the lost connection is dropped") {
  Bench bench(json_of(10));
  bench.source.append_count(20);
  bench.exporter->link_up();
  REQUIRE(bench.source.reads.size() == 1);
  bench.exporter->link_closed();
  bench.exporter->link_up();
  bench.source.answer();
  CHECK(bench.take_all() == Ranges{"1-10", "11-20"});
}

TEST_CASE("an answer after the end of the exporter is dropped") {
  Bench bench(json_of(10));
  bench.source.append_count(20);
  bench.exporter->link_up();
  bench.exporter.reset();
  bench.source.answer();
  CHECK(bench.ready_calls == 0);
}

TEST_CASE("a gap is told in its place") {
  Bench bench(json_of(10));
  bench.source.append_count(30);
  bench.source.evict(25);
  bench.time.advance_ms(6000);
  bench.link_up();
  bench.time.timers.advance_ms(0);
  REQUIRE(bench.exporter->is_ready());
  const auto publish = bench.exporter->take(1);
  const auto json = nlohmann::json::parse(publish.payload);
  CHECK(json["first"] == 1);
  CHECK(json["records"][0]["gap"]["last"] == 25);
  CHECK(json["records"][1]["seq"] == 26);
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 31);
}

TEST_CASE("a gap that reaches into what was acknowledged ends before it") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(30);
  bench.take_all();
  bench.exporter->acked(2);
  bench.exporter->link_closed();
  bench.source.evict(25);
  bench.link_up();
  bench.time.advance_ms(5000);
  CHECK(bench.take_all() == Ranges{"1-10"});
  bench.time.advance_ms(5000);
  CHECK(bench.take_all() == Ranges{"21-30"});
  bench.exporter->acked(4);
  bench.exporter->acked(5);
  CHECK(bench.source.cursor == 31);
}

TEST_CASE("in raw a gap is passed over") {
  Bench bench(raw());
  bench.source.append_count(5);
  bench.source.evict(3);
  bench.link_up();
  REQUIRE(bench.exporter->is_ready());
  CHECK(bench.source.cursor == 4);
  CHECK(bench.exporter->take(1).payload == "4");
}

TEST_CASE("raw sends a record at once, its topic put into the export's") {
  Bench bench(raw());
  bench.link_up();
  bench.append(2);
  REQUIRE(bench.exporter->is_ready());
  const auto publish = bench.exporter->take(1);
  CHECK(publish.topic == "up/dt/a/t");
  CHECK(publish.payload == "1");
  CHECK(publish.qos == 1);
  CHECK(publish.user_properties.empty());
}

TEST_CASE("at protocol 5 the key is in the user properties") {
  Bench bench(json_of(3), true);
  bench.link_up();
  bench.append(3);
  const auto publish = bench.exporter->take(1);
  CHECK(publish.content_type == "application/json");
  std::vector<std::string> pairs;
  for (const auto& [name, value] : publish.user_properties) pairs.push_back(name + '=' + value);
  CHECK(pairs == std::vector<std::string>{"gateway=gw", "stream=telemetry",
                                          "epoch=0011223344556677", "seq=1..3", "time=0"});
}

TEST_CASE("a record that no publish can hold does not block the stream") {
  Bench bench(json_of(1));
  bench.source.append("1");
  bench.source.append(std::string(200 * 1024, 'x'));
  bench.source.append(std::string(200 * 1024, 'y'));
  bench.source.append("4");
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"1-1", "4-4"});
  CHECK(bench.exporter->status().oversize == 2);
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 4);
}

TEST_CASE("a publish the link had no room for is given again") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(30);
  static_cast<void>(bench.exporter->take(1));
  bench.source.answer();
  static_cast<void>(bench.exporter->take(2));
  bench.exporter->untake(2);
  bench.source.answer();
  bench.last_id = 2;
  CHECK(bench.take_all() == Ranges{"11-20", "21-30"});
}
