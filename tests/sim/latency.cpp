#include "tests/sim/latency.h"

#include <algorithm>

namespace tg::sim {

Latency latency_of(std::vector<double>& values_ms) {
  Latency latency;
  latency.count = values_ms.size();
  if (values_ms.empty()) return latency;
  std::sort(values_ms.begin(), values_ms.end());
  const auto at = [&values_ms](double part) {
    const auto index = static_cast<std::size_t>(part * static_cast<double>(values_ms.size()));
    return values_ms[std::min(index, values_ms.size() - 1)];
  };
  latency.p50_ms = at(0.5);
  latency.p90_ms = at(0.9);
  latency.p99_ms = at(0.99);
  latency.max_ms = values_ms.back();
  return latency;
}

}  // namespace tg::sim
