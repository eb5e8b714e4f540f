#include "daemon/uplink/exporter.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/exporter_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = ExporterBench;

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
