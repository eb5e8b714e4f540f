#include "daemon/app/rates.h"

#include <algorithm>

namespace tg::app {

void RateWindow::add(std::int64_t mono_ms, double value) {
  looks_[next_] = {mono_ms, value};
  next_ = (next_ + 1) % kLooks;
  count_ = std::min(count_ + 1, kLooks);
}

double RateWindow::per_second() const {
  if (count_ < 2) return 0;
  const Look& last = looks_[(next_ + kLooks - 1) % kLooks];
  const Look& first = looks_[(next_ + kLooks - count_) % kLooks];
  const auto elapsed_ms = static_cast<double>(last.mono_ms - first.mono_ms);
  return elapsed_ms <= 0 ? 0 : (last.value - first.value) * 1000 / elapsed_ms;
}

}  // namespace tg::app
