#include "daemon/app/canary.h"

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {
namespace {

using store::OpenStore;
using store::TempDir;
using store::TestLoop;

class Bench {
 public:
  Bench()
      : store(loop, options()),
        tracer(loop.clock, loop.timers,
               [](const store::ReaderStatus& reader, store::Seq seq) {
                 return Tracer::Progress{reader.position > seq, "reader"};
               }),
        canary(
            tracer,
            [this](const std::string& topic, const std::string& payload) {
              const auto trace = tracer.begin(topic);
              if (!is_routed) return tracer.end(trace, "no route");
              tracer.stored(trace, *store, 0, store.append(0, topic, payload), false);
            },
            loop.clock, loop.timers, loop.metrics) {
    canary.configure({10'000, 5000, "dt/g/canary"});
  }
  store::StoreOptions options() const {
    auto made = store::one_stream(dir);
    made.readers.push_back({"telemetry", "reader", store::StartAt::kOldest});
    return made;
  }
  double gauge(const std::string& name) { return loop.metrics.gauge(name, "").value(); }
  std::uint64_t counter(const std::string& name) { return loop.metrics.counter(name, "").value(); }

  TempDir dir;
  TestLoop loop;
  OpenStore store;
  Tracer tracer;
  Canary canary;
  bool is_routed = true;
};

}  // namespace

TEST_CASE("a canary that arrives is a success with its duration") {
  Bench bench;
  CHECK(bench.gauge("tidegate_canary_healthy") == -1);
  bench.loop.advance_ms(10'000);
  bench.store.flush();
  bench.store->advance(0, 2);
  bench.loop.advance_ms(500);
  CHECK(bench.counter("tidegate_canary_successes_total") == 1);
  CHECK(bench.gauge("tidegate_canary_healthy") == 1);
  CHECK(bench.gauge("tidegate_canary_duration_seconds") > 0);
  CHECK(bench.counter("tidegate_canary_failures_total") == 0);
}

TEST_CASE("one that does not arrive in time is a failure, and so is one without a route") {
  Bench bench;
  bench.loop.advance_ms(10'000);
  bench.loop.advance_ms(5000);
  CHECK(bench.counter("tidegate_canary_failures_total") == 1);
  CHECK(bench.gauge("tidegate_canary_healthy") == 0);
  bench.is_routed = false;
  bench.loop.advance_ms(5000);
  CHECK(bench.counter("tidegate_canary_failures_total") == 2);
}

TEST_CASE("a trace beside it does not take its message") {
  Bench bench;
  bool is_traced = false;
  REQUIRE(bench.tracer.wait("#", 20'000, [&is_traced](const Tracer::Report& report) {
    is_traced = report.is_complete;
  }) != 0);
  bench.loop.advance_ms(10'000);
  bench.store.flush();
  bench.store->advance(0, 2);
  bench.loop.advance_ms(500);
  CHECK(is_traced);
  CHECK(bench.counter("tidegate_canary_successes_total") == 1);
  bench.loop.advance_ms(5000);
  CHECK(bench.counter("tidegate_canary_failures_total") == 0);
}

TEST_CASE("a message under way when the settings change counts no more") {
  Bench bench;
  bench.loop.advance_ms(10'000);
  bench.canary.configure({0, 5000, "dt/g/canary"});
  bench.loop.advance_ms(5000);
  CHECK(bench.gauge("tidegate_canary_healthy") == -1);
  CHECK(bench.counter("tidegate_canary_failures_total") == 0);
  bench.canary.configure({1000, 5000, "dt/g/canary"});
  bench.loop.advance_ms(1000);
  bench.canary.configure({1000, 5000, "dt/g/other"});
  bench.loop.advance_ms(1000);  // the new one is sent at once, and is the one that counts
  bench.store.flush();
  bench.store->advance(0, 4);
  bench.loop.advance_ms(500);
  CHECK(bench.counter("tidegate_canary_successes_total") == 1);
}

TEST_CASE("a canary that is off sends nothing") {
  Bench bench;
  bench.canary.configure({0, 5000, "dt/g/canary"});
  bench.loop.advance_ms(60'000);
  CHECK(bench.counter("tidegate_canary_failures_total") == 0);
  CHECK(bench.gauge("tidegate_canary_healthy") == -1);
}

}  // namespace tg::app
