// Records as publishes of their own, with what their publishers said of them.
#include "daemon/uplink/exporter.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "daemon/base/bytes.h"
#include "tests/unit/daemon/uplink/exporter_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = ExporterBench;

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
