// Exponential back-off with full jitter (TEL-6): the n-th delay is uniform in [0, min(max,
// min*2^n)], so that a fleet that lost its cloud at one moment does not come back at one moment.
#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace tg {

class Backoff {
 public:
  // seed: random_device's in the daemon, a constant in tests.
  Backoff(std::int64_t min_ms, std::int64_t max_ms, std::uint64_t seed);

  // The delay before the next attempt, and one step further.
  [[nodiscard]] std::int64_t next_ms();
  // After a success that lasted.
  void reset() { ceiling_ms_ = min_ms_; }

 private:
  std::int64_t min_ms_;
  std::int64_t max_ms_;
  std::int64_t ceiling_ms_;
  std::mt19937_64 random_;
};

// A part of range_ms that is always the same for `who`, and evenly spread over all of them: what
// periodic work of one gateway is shifted by, so that a fleet does not act at one moment.
[[nodiscard]] std::int64_t stable_offset_ms(std::string_view who, std::int64_t range_ms);

}  // namespace tg
