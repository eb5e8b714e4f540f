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

std::int64_t stable_offset_ms(std::string_view who, std::int64_t range_ms) {
  if (range_ms <= 0) return 0;
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same on every machine
  for (const char c : who) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash ^= hash >> 32;  // its low bits alone differ too little for short names
  return static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(range_ms));
}

}  // namespace tg
