#include "daemon/base/backoff.h"

#include <algorithm>

namespace tg {

Backoff::Backoff(std::int64_t min_ms, std::int64_t max_ms, std::uint64_t seed)
    : min_ms_(min_ms), max_ms_(std::max(min_ms, max_ms)), ceiling_ms_(min_ms), random_(seed) {}

std::int64_t Backoff::next_ms() {
  std::uniform_int_distribution<std::int64_t> spread(0, ceiling_ms_);
  const std::int64_t delay = spread(random_);
  ceiling_ms_ = ceiling_ms_ > max_ms_ / 2 ? max_ms_ : ceiling_ms_ * 2;
  return delay;
}

}  // namespace tg
