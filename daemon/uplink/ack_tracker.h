// Which sequence numbers of one export are in flight, which have been acknowledged out of order,
// and up to where everything has been: the watermark. Pure.
//
// Ranges are sent in rising order, but for those that forget_unacknowledged() has released; they
// never overlap. What was acknowledged above the watermark stays known, so that it is not sent
// twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "daemon/store/store.h"

namespace tg::uplink {

using store::Seq;

class AckTracker {
 public:
  explicit AckTracker(Seq position) : watermark_(position) {}

  // [first, end) is under way as publish `id`.
  void sent(std::uint64_t id, Seq first, Seq end);
  // [first, end) needs no publish: passed over.
  void passed(Seq first, Seq end);
  // False when no such publish is in flight (a second ack, or one forgotten).
  [[nodiscard]] bool acked(std::uint64_t id);
  // The publish was not sent after all.
  void forget(std::uint64_t id);
  // The connection is gone: what it had in flight must be sent again.
  void forget_unacknowledged();

  // Everything below has been acknowledged or passed over.
  [[nodiscard]] Seq watermark() const { return watermark_; }
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  // The first number at or after `from` that has not been acknowledged already.
  [[nodiscard]] Seq skip_acknowledged(Seq from) const;
  // The next number at or after `from` that has been: a batch ends there.
  [[nodiscard]] Seq barrier(Seq from) const;
  // [first, end) of all that has been acknowledged above the watermark.
  [[nodiscard]] std::vector<std::pair<Seq, Seq>> acknowledged() const;

 private:
  struct Range {
    Seq end = 0;
    std::uint64_t id = 0;
    bool acked = false;
  };
  void add(Seq first, Range range);
  void raise();

  Seq watermark_;
  std::size_t in_flight_ = 0;
  std::map<Seq, Range> ranges_;  // by first, all at or above the watermark
};

}  // namespace tg::uplink
