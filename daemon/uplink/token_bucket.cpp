#include "daemon/uplink/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace tg::uplink {

namespace {

constexpr double kRounding = 1e-6;

}  // namespace

TokenBucket::TokenBucket(std::uint64_t per_second)
    : per_us_(static_cast<double>(per_second) / 1e6),
      most_(std::max(static_cast<double>(per_second) / 10, 1.0)),
      tokens_(most_) {}

void TokenBucket::refill(std::int64_t now_us) {
  const auto passed = static_cast<double>(std::max<std::int64_t>(now_us - filled_us_, 0));
  filled_us_ = std::max(filled_us_, now_us);
  tokens_ = std::min(tokens_ + passed * per_us_, most_);
}

std::int64_t TokenBucket::wait_ms(std::int64_t now_us) {
  if (per_us_ == 0) return 0;
  refill(now_us);
  const double missing = 1.0 - tokens_;
  if (missing <= kRounding) return 0;
  const double wait_ms = std::ceil(missing / per_us_ / 1000 - kRounding);
  return std::max<std::int64_t>(static_cast<std::int64_t>(wait_ms), 1);
}

void TokenBucket::take(std::uint64_t amount, std::int64_t now_us) {
  if (per_us_ == 0) return;
  refill(now_us);
  tokens_ -= static_cast<double>(amount);
}

}  // namespace tg::uplink
