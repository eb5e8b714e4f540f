#include "daemon/app/tracer.h"

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::app {
namespace {

using store::OpenStore;
using store::TempDir;
using store::TestLoop;

// A store with one stream and one reader, and a tracer whose reader is where the store says.
class Bench {
 public:
  Bench()
      : store(loop, options()),
        tracer(loop.clock, loop.timers, [](const store::ReaderStatus& reader, store::Seq seq) {
          return Tracer::Progress{reader.position > seq, reader.position > seq ? "done" : "waits"};
        }) {}

  store::StoreOptions options() const {
    auto made = store::one_stream(dir);
    made.readers.push_back({"telemetry", "reader", store::StartAt::kOldest});
    return made;
  }
  Tracer::WaitId wait(const std::string& filter, std::int64_t limit_ms = 5000) {
    return tracer.wait(filter, limit_ms, [this](Tracer::Report got) {
      report = std::move(got);
      ++reports;
    });
  }
  std::string steps() const {
    std::string text;
    for (const auto& step : report.steps) text += step.stage + " " + step.text + "\n";
    return text;
  }

  TempDir dir;
  TestLoop loop;
  OpenStore store;
  Tracer tracer;
  Tracer::Report report;
  int reports = 0;
};

}  // namespace

TEST_CASE("a message is followed to its last reader") {
  Bench bench;
  REQUIRE(bench.wait("dt/+/t") != 0);
  CHECK(bench.tracer.is_waiting());
  CHECK(bench.tracer.begin("other") == nullptr);
  const auto trace = bench.tracer.begin("dt/a/t");
  REQUIRE(trace != nullptr);
  CHECK_FALSE(bench.tracer.is_waiting());
  CHECK(bench.tracer.begin("dt/b/t") == nullptr);  // one message a trace
  Tracer::step(trace, "intake", "in");
  const auto seq = bench.store.append(0, "dt/a/t", "x");
  bench.tracer.stored(trace, *bench.store, 0, seq, true);
  bench.store.flush();
  CHECK(bench.reports == 0);
  bench.store->advance(0, seq + 1);
  bench.store.flush();
  bench.loop.advance_ms(200);
  REQUIRE(bench.reports == 1);
  CHECK(bench.report.is_complete);
  CHECK(bench.report.topic == "dt/a/t");
  CHECK(bench.steps() ==
        "intake in\nstream telemetry: record 1\n"
        "commit telemetry: on disk, acknowledged to the sender\n"
        "reader reader: waits\nreader reader: done\n");
}

TEST_CASE("what goes no further says why") {
  Bench bench;
  REQUIRE(bench.wait("#") != 0);
  const auto trace = bench.tracer.begin("x");
  bench.tracer.end(trace, "no route");
  REQUIRE(bench.reports == 1);
  CHECK(bench.report.is_matched);
  CHECK_FALSE(bench.report.is_complete);
  CHECK(bench.report.outcome == "no route");
}

TEST_CASE("a trace ends with its time, with or without a message") {
  Bench bench;
  REQUIRE(bench.wait("a") != 0);
  bench.loop.advance_ms(5000);
  REQUIRE(bench.reports == 1);
  CHECK_FALSE(bench.report.is_matched);
  CHECK_FALSE(bench.tracer.is_waiting());
  REQUIRE(bench.wait("a") != 0);
  const auto trace = bench.tracer.begin("a");
  bench.tracer.stored(trace, *bench.store, 0, bench.store.append(0, "a", "x"), true);
  bench.store.flush();
  bench.loop.advance_ms(5000);
  REQUIRE(bench.reports == 2);
  CHECK(bench.report.is_matched);
  CHECK_FALSE(bench.report.is_complete);
}

TEST_CASE("all that wait for a message follow the same one, each for its own time") {
  Bench bench;
  REQUIRE(bench.wait("#", 1000) != 0);
  REQUIRE(bench.wait("other") != 0);
  REQUIRE(bench.wait("a") != 0);
  const auto trace = bench.tracer.begin("a");
  CHECK(bench.tracer.is_waiting());  // for `other`
  const auto seq = bench.store.append(0, "a", "x");
  bench.tracer.stored(trace, *bench.store, 0, seq, true);
  bench.store.flush();
  REQUIRE(bench.reports == 1);  // the time of # is over
  CHECK(bench.report.topic == "a");
  CHECK_FALSE(bench.report.is_complete);
  bench.store->advance(0, seq + 1);
  bench.store.flush();
  REQUIRE(bench.reports == 2);
  CHECK(bench.report.is_complete);
  CHECK(bench.tracer.is_waiting());
}

TEST_CASE("an acknowledgement is only told when the sender waits for the commit") {
  Bench bench;
  REQUIRE(bench.wait("a") != 0);
  const auto trace = bench.tracer.begin("a");
  const auto seq = bench.store.append(0, "a", "x");
  bench.tracer.stored(trace, *bench.store, 0, seq, false);
  bench.store->advance(0, seq + 1);
  bench.store.flush();
  bench.loop.advance_ms(200);
  REQUIRE(bench.reports == 1);
  CHECK(bench.steps() ==
        "stream telemetry: record 1\ncommit telemetry: on disk\nreader reader: done\n");
}

TEST_CASE("a trace that is taken back says nothing and makes room") {
  Bench bench;
  Tracer::WaitId last = 0;
  for (int i = 0; i < 8; ++i) last = bench.wait(i < 7 ? "other" : "a");
  const auto trace = bench.tracer.begin("a");
  bench.tracer.cancel(last);
  bench.tracer.cancel(0);
  bench.tracer.end(trace, "no route");
  CHECK(bench.reports == 0);
  last = bench.wait("a");
  REQUIRE(last != 0);
  bench.tracer.cancel(last);
  CHECK(bench.tracer.begin("a") == nullptr);
  bench.loop.advance_ms(5000);
  CHECK(bench.reports == 7);
}

TEST_CASE("no more than 8 at once; nothing for a null trace") {
  Bench bench;
  for (int i = 0; i < 8; ++i) REQUIRE(bench.wait("a") != 0);
  CHECK(bench.wait("a") == 0);
  Tracer::step(nullptr, "intake", "");
  bench.tracer.end(nullptr, "");
  bench.tracer.stored(nullptr, *bench.store, 0, 1, true);
  CHECK(bench.reports == 0);
}

}  // namespace tg::app
