#include "daemon/store/stored_time.h"

#include <algorithm>

namespace tg::store {
namespace {

constexpr std::int64_t kPlausibleWallMs = 1'577'836'800'000;       // 2020: no gateway is older
constexpr std::int64_t kPlausibleAgeMs = 10LL * 365 * 86'400'000;  // more is a clock that jumped

}  // namespace

std::int64_t age_ms(const StoredTime& then, const Timestamp& now, std::uint32_t boot) {
  if (then.boot == boot) return std::max<std::int64_t>(now.mono_ms - then.at.mono_ms, 0);
  const bool trusted =
      then.at.quality == ClockQuality::kSynchronised && now.quality == ClockQuality::kSynchronised;
  return trusted ? wall_age_ms(then.at.wall_ms, now.wall_ms) : 0;
}

std::int64_t wall_age_ms(std::int64_t then_wall_ms, std::int64_t now_wall_ms) {
  const std::int64_t age = now_wall_ms - then_wall_ms;
  if (then_wall_ms < kPlausibleWallMs || age > kPlausibleAgeMs) return 0;
  return std::max<std::int64_t>(age, 0);
}

}  // namespace tg::store
