// Percentiles of a set of times.
#pragma once

#include <cstdint>
#include <vector>

namespace tg::sim {

struct Latency {
  std::uint64_t count = 0;
  double p50_ms = 0;
  double p90_ms = 0;
  double p99_ms = 0;
  double max_ms = 0;
};

// Sorts the values.
[[nodiscard]] Latency latency_of(std::vector<double>& values_ms);

}  // namespace tg::sim
