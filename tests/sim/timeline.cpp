#include "tests/sim/timeline.h"

#include <algorithm>

namespace tg::sim {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;

double ms_between(std::int64_t from_us, std::int64_t to_us) {
  return static_cast<double>(to_us - from_us) / 1000;
}

struct StageTimes {
  std::vector<double> puback_ms;
  std::vector<double> arrival_ms;
  std::int64_t last_made_us = 0;
};

void add(const Outcome& outcome, StageResult& stage, StageTimes& times) {
  ++stage.published;
  times.last_made_us = std::max(times.last_made_us, outcome.made_us);
  if (outcome.qos > 0) ++stage.owed;
  if (outcome.acknowledged_us != 0) {
    ++stage.acknowledged;
    stage.lost += outcome.arrived_us == 0;
    times.puback_ms.push_back(ms_between(outcome.made_us, outcome.acknowledged_us));
  }
  if (outcome.arrived_us != 0) {
    times.arrival_ms.push_back(ms_between(outcome.made_us, outcome.arrived_us));
  }
}

// The step in which a time lies.
class Axis {
 public:
  Axis(std::int64_t begin_us, std::int64_t end_us) : begin_us_(begin_us) {
    const std::int64_t seconds = (end_us - begin_us) / kSecondUs + 1;
    step_us_ = (seconds + kMaxSteps - 1) / kMaxSteps * kSecondUs;
    count_ = static_cast<std::size_t>((end_us - begin_us) / step_us_ + 1);
  }
  [[nodiscard]] std::size_t at(std::int64_t time_us) const {
    return static_cast<std::size_t>(std::max<std::int64_t>(time_us - begin_us_, 0) / step_us_);
  }
  [[nodiscard]] std::size_t count() const { return count_; }
  [[nodiscard]] std::int64_t step_us() const { return step_us_; }

 private:
  std::int64_t begin_us_;
  std::int64_t step_us_ = kSecondUs;
  std::size_t count_ = 0;
};

struct StepTimes {
  std::uint64_t published = 0;
  std::vector<double> puback_ms;
  std::vector<double> arrival_ms;
  std::int64_t backlog_change = 0;
};

}  // namespace

double StageResult::success() const {
  if (owed == 0) return 1;
  return static_cast<double>(acknowledged - lost) / static_cast<double>(owed);
}

std::vector<StageResult> stages_of(const std::vector<StageLog>& stages,
                                   const std::vector<Outcome>& outcomes) {
  std::vector<StageResult> results(stages.size());
  std::vector<StageTimes> times(stages.size());
  for (const Outcome& outcome : outcomes) {
    const auto after = std::upper_bound(
        stages.begin(), stages.end(), outcome.made_us,
        [](std::int64_t time_us, const StageLog& stage) { return time_us < stage.begin_us; });
    if (after == stages.begin()) continue;
    const auto i = static_cast<std::size_t>(after - stages.begin()) - 1;
    add(outcome, results[i], times[i]);
  }
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const std::int64_t end_us =
        i + 1 < stages.size() ? stages[i + 1].begin_us : times[i].last_made_us;
    results[i].percent = stages[i].percent;
    results[i].seconds = std::max(0.0, ms_between(stages[i].begin_us, end_us) / 1000);
    results[i].puback = latency_of(times[i].puback_ms);
    results[i].arrival = latency_of(times[i].arrival_ms);
  }
  return results;
}

Timeline timeline_of(const std::vector<Outcome>& outcomes) {
  Timeline timeline;
  if (outcomes.empty()) return timeline;
  std::int64_t begin_us = outcomes.front().made_us;
  std::int64_t end_us = begin_us;
  for (const Outcome& outcome : outcomes) {
    begin_us = std::min(begin_us, outcome.made_us);
    end_us = std::max({end_us, outcome.made_us, outcome.acknowledged_us, outcome.arrived_us});
  }
  const Axis axis(begin_us, end_us);
  std::vector<StepTimes> times(axis.count());
  for (const Outcome& outcome : outcomes) {
    ++times[axis.at(outcome.made_us)].published;
    if (outcome.acknowledged_us != 0) {
      StepTimes& step = times[axis.at(outcome.acknowledged_us)];
      step.puback_ms.push_back(ms_between(outcome.made_us, outcome.acknowledged_us));
      ++step.backlog_change;
    }
    if (outcome.arrived_us != 0) {
      StepTimes& step = times[axis.at(outcome.arrived_us)];
      step.arrival_ms.push_back(ms_between(outcome.made_us, outcome.arrived_us));
      // What arrives before its acknowledgement is known leaves the backlog when that comes.
      const std::int64_t left_us = std::max(outcome.arrived_us, outcome.acknowledged_us);
      if (outcome.acknowledged_us != 0) --times[axis.at(left_us)].backlog_change;
    }
  }
  timeline.begin_us = begin_us;
  timeline.step_us = axis.step_us();
  const double step_s = static_cast<double>(axis.step_us()) / kSecondUs;
  std::int64_t backlog = 0;
  for (StepTimes& step : times) {
    backlog += step.backlog_change;
    const Latency puback = latency_of(step.puback_ms);
    const Latency arrival = latency_of(step.arrival_ms);
    timeline.steps.push_back({static_cast<double>(step.published) / step_s,
                              static_cast<double>(puback.count) / step_s,
                              static_cast<double>(arrival.count) / step_s,
                              static_cast<std::uint64_t>(std::max<std::int64_t>(backlog, 0)),
                              puback.p50_ms, puback.p99_ms, arrival.p50_ms, arrival.p99_ms});
  }
  return timeline;
}

}  // namespace tg::sim
