// How many bytes may be in flight. A link that is so thin that a window of publishes takes longer
// than ack_timeout would be cut by that time-out again and again; so each such time-out quarters
// what may be in flight, and acks that come quickly double it within one round trip. No limit
// before the first time-out. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tg::uplink {

class FlightLimit {
 public:
  static constexpr std::size_t kLeast = 1024;
  static constexpr std::size_t kNone = SIZE_MAX;

  explicit FlightLimit(std::int64_t ack_timeout_ms) : quick_ms_(ack_timeout_ms / 4) {}

  // A publish was not acknowledged in time, with so many bytes in flight.
  void timed_out(std::size_t in_flight);
  void acked(std::size_t size, std::int64_t after_ms);
  [[nodiscard]] bool allows(std::size_t in_flight) const {
    return in_flight == 0 || in_flight < limit_;
  }
  // The largest batch that makes sense now.
  [[nodiscard]] std::size_t batch_bytes() const { return limit_ == kNone ? kNone : limit_ / 2; }

 private:
  static constexpr std::size_t kPlenty = std::size_t{16} << 20;

  const std::int64_t quick_ms_;
  std::size_t limit_ = kNone;
};

}  // namespace tg::uplink
