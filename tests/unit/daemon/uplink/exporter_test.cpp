#include "daemon/uplink/exporter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/base/bytes.h"
#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

struct Bench {
  FakeTime time;
  Metrics metrics;
  FakeSource source;
  FakeLetters letters;
  int ready_calls = 0;
  std::unique_ptr<Exporter> exporter;
  std::uint64_t last_id = 0;

  explicit Bench(ExportOptions options, bool with_properties = false) {
    options.name = "export";
    options.stream = "telemetry";
    exporter =
        std::make_unique<Exporter>(std::move(options), "gw", with_properties, source, time.clock,
                                   time.timers, metrics, letters.take(), [this] { ++ready_calls; });
  }

  void append(std::size_t count) {
    source.append_count(count);
    exporter->on_advanced();
    source.answer();
  }
  void link_up() {
    exporter->link_up(SIZE_MAX);
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
  void take_all_raw() {
    while (exporter->is_ready()) {
      static_cast<void>(exporter->take(++last_id));
      source.answer();
    }
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
  bench.exporter->link_closed({});
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
  bench.exporter->link_closed({});
  bench.append(5);
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"1-3"});
  bench.time.advance_ms(5000);
  CHECK(bench.take_all() == Ranges{"14-18"});
}

TEST_CASE("an answer to a read of the lost connection is dropped") {
  Bench bench(json_of(10));
  bench.source.append_count(20);
  bench.exporter->link_up(SIZE_MAX);
  REQUIRE(bench.source.reads.size() == 1);
  bench.exporter->link_closed({});
  bench.exporter->link_up(SIZE_MAX);
  bench.source.answer();
  CHECK(bench.take_all() == Ranges{"1-10", "11-20"});
}

TEST_CASE("an answer after the end of the exporter is dropped") {
  Bench bench(json_of(10));
  bench.source.append_count(20);
  bench.exporter->link_up(SIZE_MAX);
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

TEST_CASE("a gap at the end of the stream is told in a batch of its own") {
  Bench bench(json_of(10));
  bench.source.append_count(30);
  bench.source.evict(30);
  CHECK(bench.exporter->status().backlog == 0);
  bench.link_up();
  bench.time.advance_ms(5000);
  REQUIRE(bench.exporter->is_ready());
  const auto json = nlohmann::json::parse(bench.exporter->take(1).payload);
  CHECK(json["records"].size() == 1);
  CHECK(json["records"][0]["gap"]["last"] == 30);
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 31);
}

TEST_CASE("records that come while a gap is read are not left lying") {
  Bench bench(json_of(1));
  bench.source.append_count(3);
  bench.source.evict(3);
  bench.exporter->link_up(SIZE_MAX);
  store::Chunk gap;
  gap.asked = 1;
  gap.first = 4;
  gap.gap_reason = "max_age";
  const auto done = std::move(bench.source.reads.front().second);
  bench.source.reads.pop_front();
  bench.source.append_count(1);
  bench.exporter->on_advanced();
  done(std::move(gap));
  bench.source.answer();
  CHECK(bench.take_all() == Ranges{"1-3", "4-4"});
}

TEST_CASE("suspect records that are evicted are suspect no more") {
  Bench bench(json_of(1));
  bench.link_up();
  bench.append(2);
  bench.take_all();
  bench.exporter->link_closed({false, 2, "closed"});
  CHECK(bench.exporter->is_suspect());
  bench.source.evict(2);
  bench.link_up();
  CHECK(bench.take_all() == Ranges{"1-2"});
  bench.exporter->acked(bench.last_id);
  CHECK_FALSE(bench.exporter->is_suspect());
}

TEST_CASE("a gap that reaches into what was acknowledged ends before it") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(30);
  bench.take_all();
  bench.exporter->acked(2);
  bench.exporter->link_closed({});
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
                                          "epoch=0011223344556677", "seq=1..3", "time=0",
                                          "clock=unsynced"});
}

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

TEST_CASE("a batch of age leaves out what would begin another metering unit") {
  ExportOptions options = json_of(500);
  options.batch.metering_unit = 1000;
  Bench bench(options);
  bench.link_up();
  bench.append(11);  // nearly one unit
  bench.time.advance_ms(2000);
  bench.append(2);  // and a little more
  bench.time.advance_ms(3000);
  REQUIRE(bench.exporter->is_ready());
  const auto publish = bench.exporter->take(1);
  CHECK(publish.payload.size() <= 1000);
  CHECK(Bench::range_of(publish.payload) == "1-11");
  bench.source.answer();
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 12);
  CHECK(bench.exporter->status().metered_bytes == 1000);
  // The rest goes when its own first record is max_age old.
  bench.time.advance_ms(1999);
  CHECK_FALSE(bench.exporter->is_ready());
  bench.time.advance_ms(1);
  CHECK(bench.take_all() == Ranges{"12-13"});
}

TEST_CASE("the first batch is early by the gateway's own part of max_age, the later ones are not") {
  ExportOptions options = json_of(10);
  options.early_ms = 3000;
  Bench bench(options);
  bench.link_up();
  bench.append(1);
  bench.time.advance_ms(2000);
  CHECK(bench.take_all() == Ranges{"1-1"});
  bench.append(1);
  bench.time.advance_ms(4999);
  CHECK_FALSE(bench.exporter->is_ready());
  bench.time.advance_ms(1);
  CHECK(bench.take_all() == Ranges{"2-2"});
}

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
  CHECK(bench.metrics.text().find("tidegate_uplink_export_blocked{export=\"export\"} 1") !=
        std::string::npos);
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

TEST_CASE("what a publisher said at MQTT 5 is passed on, its expiry shortened by the wait") {
  Bench bench(raw(), true);
  std::string seconds;
  put_varint(seconds, 100);
  store::append_tag(bench.source.tail, store::Tag::kMessageExpiry, seconds);
  store::append_tag(bench.source.tail, store::Tag::kResponseTopic, "re/1");
  store::append_tag(bench.source.tail, store::Tag::kCorrelationData, "id7");
  bench.source.received = bench.time.clock.now();
  bench.source.append_count(2);
  bench.time.advance_ms(40'000);
  bench.link_up();
  REQUIRE(bench.exporter->is_ready());
  const auto publish = bench.exporter->take(1);
  CHECK(publish.expiry_s == 60U);
  CHECK(publish.response_topic == "re/1");
  CHECK(publish.correlation_data == "id7");
  bench.exporter->acked(1);
  // And one whose time has passed is not sent at all.
  bench.exporter->link_closed({});
  bench.time.advance_ms(60'000);
  bench.link_up();
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.source.cursor == 3);
}

TEST_CASE("a clock that steps neither expires records of this boot nor keeps them") {
  constexpr std::int64_t kDayMs = 86'400'000;
  const std::int64_t step_ms = GENERATE(50LL * 365 * kDayMs, -kDayMs);
  Bench bench(raw(), true);
  bench.time.clock.set_quality(
      GENERATE(ClockQuality::kSynchronised, ClockQuality::kUnsynchronised));
  std::string seconds;
  put_varint(seconds, 100);
  store::append_tag(bench.source.tail, store::Tag::kMessageExpiry, seconds);
  bench.source.received = bench.time.clock.now();
  bench.source.append_count(2);
  bench.time.clock.step_wall_ms(step_ms);
  bench.time.advance_ms(40'000);
  bench.link_up();
  REQUIRE(bench.exporter->is_ready());
  CHECK(bench.exporter->take(1).expiry_s == 60U);
  bench.exporter->link_closed({});
  bench.time.advance_ms(60'000);
  bench.link_up();
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.source.cursor == 3);
}

TEST_CASE("a record of an earlier boot expires by the wall clock, as far as it is plausible") {
  Bench bench(raw());
  std::string seconds;
  put_varint(seconds, 100);
  store::append_tag(bench.source.tail, store::Tag::kMessageExpiry, seconds);
  bench.source.received = bench.time.clock.now();
  bench.source.append_count(1);
  bench.source.current_boot = 2;
  SECTION("time has passed") {
    bench.time.clock.step_wall_ms(100'000);
    bench.link_up();
    CHECK_FALSE(bench.exporter->is_ready());
  }
  SECTION("the clock jumped") {
    bench.time.clock.step_wall_ms(50LL * 365 * 86'400'000);
    bench.link_up();
    CHECK(bench.exporter->is_ready());
  }
  SECTION("the clock is not synchronised") {
    bench.time.clock.step_wall_ms(100'000);
    bench.time.clock.set_quality(ClockQuality::kUnsynchronised);
    bench.link_up();
    CHECK(bench.exporter->is_ready());
  }
}

TEST_CASE("a paused export gives nothing away, not what was made either, and goes on with it") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(25);
  static_cast<void>(bench.exporter->take(++bench.last_id));
  bench.source.paused = true;
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.exporter->status().paused);
  const auto reads = bench.source.reads.size();
  bench.append(30);
  bench.time.advance_ms(60'000);
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.source.reads.size() == reads);

  // What is in flight is acknowledged as ever.
  bench.exporter->acked(1);
  CHECK(bench.source.cursor == 11);

  bench.source.paused = false;
  bench.ready_calls = 0;
  bench.exporter->on_advanced();
  CHECK(bench.ready_calls == 1);
  CHECK(bench.take_all() == Ranges{"11-20", "21-30", "31-40", "41-50"});
}

TEST_CASE("a paused export stays so over connections") {
  Bench bench(json_of(10));
  bench.source.paused = true;
  bench.link_up();
  bench.append(10);
  bench.exporter->link_closed({});
  bench.link_up();
  CHECK_FALSE(bench.exporter->is_ready());
  CHECK(bench.source.reads.empty());
  CHECK(bench.exporter->status().backlog == 10);
}

TEST_CASE("the others do not wait for suspects of a paused export") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(10);
  bench.take_all();
  bench.exporter->link_closed({false, 1, "closed"});
  CHECK(bench.exporter->is_suspect());
  bench.source.paused = true;
  CHECK_FALSE(bench.exporter->is_suspect());
}

TEST_CASE("a record that is refused while the export is paused is not lost") {
  Bench bench(raw());
  bench.link_up();
  bench.append(1);
  static_cast<void>(bench.exporter->take(++bench.last_id));
  bench.source.paused = true;
  CHECK(bench.exporter->refused(bench.last_id, "not authorised"));
  bench.source.answer();
  CHECK(bench.letters.all == std::vector<std::string>{"1 not authorised 1 1"});
  CHECK(bench.source.cursor == 2);
}

TEST_CASE("an export that is set back begins anew there, and old acks move nothing") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(40);
  CHECK(bench.take_all() == Ranges{"1-10", "11-20", "21-30", "31-40"});
  bench.exporter->acked(1);
  bench.exporter->acked(2);
  bench.exporter->acked(4);
  CHECK(bench.source.cursor == 21);
  bench.source.cursor = 6;
  bench.ready_calls = 0;
  bench.exporter->on_rewound();
  bench.source.answer();
  CHECK(bench.ready_calls >= 1);
  CHECK(bench.exporter->status().position == 6);
  bench.exporter->acked(3);  // sent before
  CHECK(bench.source.cursor == 6);
  CHECK(bench.take_all() == Ranges{"6-15", "16-25", "26-35"});
  bench.exporter->acked(6);
  CHECK(bench.source.cursor == 6);
  bench.exporter->acked(5);
  CHECK(bench.source.cursor == 26);
}

TEST_CASE("an export that is set back while paused waits for the end of the pause") {
  Bench bench(json_of(10));
  bench.link_up();
  bench.append(20);
  bench.take_all();
  bench.exporter->acked(1);
  bench.exporter->acked(2);
  bench.source.paused = true;
  bench.source.cursor = 11;
  bench.exporter->on_rewound();
  CHECK(bench.source.reads.empty());
  CHECK_FALSE(bench.exporter->is_ready());
  bench.source.paused = false;
  bench.exporter->on_advanced();
  bench.source.answer();
  CHECK(bench.take_all() == Ranges{"11-20"});
}
