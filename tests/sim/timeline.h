// A run over time: what became of each message, added up by stage of the load and by second. Pure.
//
// Limit: a run of more than kMaxSteps seconds is shown in longer steps.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/sim/latency.h"
#include "tests/sim/ledger.h"

namespace tg::sim {

constexpr std::int64_t kMaxSteps = 600;

// One message; a time of 0 = it has not happened.
struct Outcome {
  std::uint8_t qos = 0;
  std::int64_t made_us = 0;
  std::int64_t acknowledged_us = 0;  // QoS 1 and 2
  std::int64_t arrived_us = 0;       // in the cloud
};

// What was made while the load stood at one percentage.
struct StageResult {
  int percent = 100;
  double seconds = 0;
  std::uint64_t published = 0;
  std::uint64_t owed = 0;  // of them, at QoS 1 or 2
  std::uint64_t acknowledged = 0;
  std::uint64_t lost = 0;  // acknowledged, never arrived
  Latency puback;
  Latency arrival;

  // Share of the QoS 1 and 2 messages that were acknowledged and have arrived; 1 when there were
  // none.
  [[nodiscard]] double success() const;
};

struct Step {
  double published = 0;  // a second
  double acknowledged = 0;
  double arrived = 0;
  std::uint64_t backlog = 0;  // acknowledged and not yet arrived, at the step's end
  double puback_p50_ms = 0;   // of what was acknowledged in it; 0 = nothing
  double puback_p99_ms = 0;
  double arrival_p50_ms = 0;
  double arrival_p99_ms = 0;
};

struct Timeline {
  std::int64_t begin_us = 0;
  std::int64_t step_us = 1'000'000;
  std::vector<Step> steps;
};

[[nodiscard]] std::vector<StageResult> stages_of(const std::vector<StageLog>& stages,
                                                 const std::vector<Outcome>& outcomes);
[[nodiscard]] Timeline timeline_of(const std::vector<Outcome>& outcomes);

}  // namespace tg::sim
