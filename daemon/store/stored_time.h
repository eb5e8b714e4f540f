// Times that are compared after a restart, and ages by clocks that may have been wrong.
//
// Pure; any thread.
#pragma once

#include <cstdint>

#include "daemon/base/clock.h"

namespace tg::store {

// `boot` is Store::boot() of then.
struct StoredTime {
  Timestamp at;
  std::uint32_t boot = 0;
};

// How much older something has become since: by the monotonic clock within a boot, by the wall
// clock across boots if it can be trusted at both ends, else not at all.
[[nodiscard]] std::int64_t age_ms(const StoredTime& then, const Timestamp& now, std::uint32_t boot);

// 0 for what cannot be: a clock that stood before 2020, or has jumped by more than ten years.
[[nodiscard]] std::int64_t wall_age_ms(std::int64_t then_wall_ms, std::int64_t now_wall_ms);

}  // namespace tg::store
