#include "daemon/app/periodic_report.h"

#include "daemon/base/backoff.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {
namespace {

using store::OpenStore;
using store::TempDir;
using store::TestLoop;

const log::Component kLog{"report-test"};

// A report that says its number, into a stream of 64 KiB that refuses what has no room.
class Bench {
 public:
  Bench()
      : store(loop, options()),
        report(
            kLog, [this] { return parts; }, loop.timers, loop.metrics.counter("sent_total", ""),
            loop.metrics.counter("skipped_total", ""),
            [this](const Parts&) { return std::to_string(++made); }) {
    config.gateway_id = "gw";
    parts.config = &config;
    parts.phase = Phase::kRunning;
    parts.clock = &loop.clock;
    parts.store = &*store;
  }
  store::StoreOptions options() const {
    auto made_of = store::one_stream(dir);
    made_of.streams[0].max_size = 64 * 1024;
    made_of.streams[0].when_full = store::WhenFull::kReject;
    return made_of;
  }
  std::uint64_t counter(const std::string& name) { return loop.metrics.counter(name, "").value(); }

  TempDir dir;
  TestLoop loop;
  OpenStore store;
  config::Config config;
  Parts parts;
  int made = 0;
  PeriodicReport report;
};

}  // namespace

TEST_CASE("the first report comes at the gateway's own point of the interval, then one in each") {
  Bench bench;
  bench.report.configure({"telemetry", "dt/gw/health", 10'000});
  const std::int64_t offset = stable_offset_ms("gw/dt/gw/health", 10'000);
  bench.loop.advance_ms(offset - 1);
  CHECK(bench.made == 0);
  bench.loop.advance_ms(1);
  CHECK(bench.made == 1);
  bench.loop.advance_ms(30'000);
  CHECK(bench.counter("sent_total") == 4);
  bench.store.flush();
  const auto chunk = bench.store.read(0, 1);
  REQUIRE(chunk.records.size() == 4);
  const auto& record = chunk.records.back();
  CHECK(record.publisher == "gw");
  CHECK(record.topic == "dt/gw/health");
  CHECK(record.payload == "4");
  CHECK(record.qos == 1);
}

TEST_CASE("there is no report without a stream, nor before the gateway runs") {
  Bench bench;
  bench.parts.phase = Phase::kStarting;
  bench.report.configure({"telemetry", "t", 1000});
  bench.loop.advance_ms(5000);
  CHECK(bench.made == 0);
  bench.parts.phase = Phase::kRunning;
  bench.loop.advance_ms(1000);
  CHECK(bench.made == 1);
  bench.report.configure({"", "t", 1000});
  bench.loop.advance_ms(5000);
  CHECK(bench.made == 1);
}

TEST_CASE("settings that are the same again do not begin a new interval") {
  Bench bench;
  bench.report.configure({"telemetry", "t", 1000});
  for (int i = 0; i < 10; ++i) {
    bench.loop.advance_ms(500);
    bench.report.configure({"telemetry", "t", 1000});
  }
  CHECK(bench.made == 5);
}

TEST_CASE("a report without room is skipped and counted") {
  Bench bench;
  const std::string large(8 * 1024, 'x');
  for (int i = 0; i < 8; ++i) bench.store.put(0, large);
  bench.report.configure({"telemetry", "t", 1000});
  bench.loop.advance_ms(1000);
  CHECK(bench.made == 1);
  CHECK(bench.counter("sent_total") == 0);
  CHECK(bench.counter("skipped_total") == 1);
}

}  // namespace tg::app
