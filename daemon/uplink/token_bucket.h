// A limit of so many a second, with what a tenth of a second may save up. A take may be larger than
// what is there: the debt is waited for afterwards, so that large items pass and the mean holds.
// Pure: the caller names the time.
#pragma once

#include <cstdint>

namespace tg::uplink {

class TokenBucket {
 public:
  // per_second 0 = no limit.
  explicit TokenBucket(std::uint64_t per_second);

  // Until something may be taken; 0 = now.
  [[nodiscard]] std::int64_t wait_ms(std::int64_t now_us);
  void take(std::uint64_t amount, std::int64_t now_us);

 private:
  void refill(std::int64_t now_us);

  const double per_us_;
  const double most_;
  double tokens_;
  std::int64_t filled_us_ = 0;
};

}  // namespace tg::uplink
