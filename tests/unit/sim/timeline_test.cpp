#include "tests/sim/timeline.h"

#include <catch2/catch.hpp>

using namespace tg::sim;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kBegin = 1000 * kSecond;

// Times in milliseconds from the begin; 0 = it has not happened.
Outcome outcome(std::int64_t made_ms, std::int64_t acknowledged_ms, std::int64_t arrived_ms,
                std::uint8_t qos = 1) {
  const auto at = [](std::int64_t ms) { return ms == 0 ? 0 : kBegin + ms * 1000; };
  return {qos, kBegin + made_ms * 1000, at(acknowledged_ms), at(arrived_ms)};
}

}  // namespace

TEST_CASE("each message counts in the stage in which it was made") {
  const std::vector<StageLog> stages = {{kBegin, 10}, {kBegin + 2 * kSecond, 100}};
  const std::vector<Outcome> outcomes = {outcome(100, 110, 200),    outcome(1999, 2500, 3000),
                                         outcome(1000, 0, 1500, 0), outcome(2000, 2010, 0),  // lost
                                         outcome(4000, 0, 0),  // never acknowledged
                                         outcome(-5, 1, 2)};   // before the load
  const auto results = stages_of(stages, outcomes);
  REQUIRE(results.size() == 2);
  CHECK(results[0].percent == 10);
  CHECK(results[0].seconds == Approx(2));
  CHECK(results[0].published == 3);
  CHECK(results[0].owed == 2);
  CHECK(results[0].success() == 1);
  CHECK(results[0].puback.max_ms == Approx(501));
  CHECK(results[1].seconds == Approx(2));
  CHECK(results[1].published == 2);
  CHECK(results[1].acknowledged == 1);
  CHECK(results[1].lost == 1);
  CHECK(results[1].success() == 0);
}

TEST_CASE("the timeline has a step a second, and an empty run none") {
  CHECK(timeline_of({}).steps.empty());
  const auto timeline =
      timeline_of({outcome(0, 10, 2500), outcome(500, 520, 2600), outcome(2100, 2110, 2200)});
  CHECK(timeline.begin_us == kBegin);
  REQUIRE(timeline.steps.size() == 3);
  CHECK(timeline.steps[0].published == 2);
  CHECK(timeline.steps[0].acknowledged == 2);
  CHECK(timeline.steps[0].arrived == 0);
  CHECK(timeline.steps[0].backlog == 2);
  CHECK(timeline.steps[0].puback_p99_ms == Approx(20));
  CHECK(timeline.steps[1].published == 0);
  CHECK(timeline.steps[1].backlog == 2);
  CHECK(timeline.steps[2].arrived == 3);
  CHECK(timeline.steps[2].backlog == 0);
  CHECK(timeline.steps[2].arrival_p50_ms == Approx(2100));
}

TEST_CASE("what arrives before its acknowledgement is never a backlog below zero") {
  const auto timeline = timeline_of({outcome(0, 1500, 900)});
  REQUIRE(timeline.steps.size() == 2);
  CHECK(timeline.steps[0].backlog == 0);
  CHECK(timeline.steps[1].backlog == 0);
}

TEST_CASE("a long run has longer steps, and rates by the second all the same") {
  std::vector<Outcome> outcomes;
  for (std::int64_t second = 0; second < 6000; ++second) {
    outcomes.push_back(outcome(second * 1000, second * 1000 + 1, second * 1000 + 2));
  }
  const auto timeline = timeline_of(outcomes);
  CHECK(timeline.step_us == 10 * kSecond);
  REQUIRE(timeline.steps.size() == 600);
  CHECK(timeline.steps[5].published == Approx(1));
}
