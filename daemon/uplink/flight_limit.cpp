#include "daemon/uplink/flight_limit.h"

#include <algorithm>

namespace tg::uplink {

void FlightLimit::timed_out(std::size_t in_flight) {
  limit_ = std::max(std::min(limit_, in_flight) / 4, kLeast);
}

void FlightLimit::acked(std::size_t size, std::int64_t after_ms) {
  if (limit_ == kNone || after_ms > quick_ms_) return;
  limit_ += size;
  if (limit_ > kPlenty) limit_ = kNone;
}

}  // namespace tg::uplink
