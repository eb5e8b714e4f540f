#include "daemon/uplink/ack_tracker.h"

#include <algorithm>
#include <limits>

#include "daemon/base/assert.h"

namespace tg::uplink {

void AckTracker::add(Seq first, Range range) {
  TG_ASSERT(first >= watermark_ && range.end > first);
  const bool inserted = ranges_.emplace(first, range).second;
  TG_ASSERT(inserted);
}

void AckTracker::sent(std::uint64_t id, Seq first, Seq end) {
  add(first, {end, id, false});
  ++in_flight_;
}

void AckTracker::passed(Seq first, Seq end) {
  add(first, {end, 0, true});
  raise();
}

bool AckTracker::acked(std::uint64_t id) {
  const auto found = std::find_if(ranges_.begin(), ranges_.end(), [id](const auto& entry) {
    return !entry.second.acked && entry.second.id == id;
  });
  if (found == ranges_.end()) return false;
  found->second.acked = true;
  --in_flight_;
  raise();
  return true;
}

void AckTracker::forget(std::uint64_t id) {
  in_flight_ -= std::erase_if(
      ranges_, [id](const auto& entry) { return !entry.second.acked && entry.second.id == id; });
}

void AckTracker::forget_unacknowledged() {
  std::erase_if(ranges_, [](const auto& entry) { return !entry.second.acked; });
  in_flight_ = 0;
}

Seq AckTracker::skip_acknowledged(Seq from) const {
  auto range = ranges_.find(from);
  while (range != ranges_.end() && range->second.acked) {
    from = range->second.end;
    range = ranges_.find(from);
  }
  return from;
}

Seq AckTracker::barrier(Seq from) const {
  const auto range = std::find_if(ranges_.lower_bound(from), ranges_.end(),
                                  [](const auto& entry) { return entry.second.acked; });
  return range == ranges_.end() ? std::numeric_limits<Seq>::max() : range->first;
}

std::vector<std::pair<Seq, Seq>> AckTracker::acknowledged() const {
  std::vector<std::pair<Seq, Seq>> all;
  for (const auto& [first, range] : ranges_) {
    if (range.acked) all.emplace_back(first, range.end);
  }
  return all;
}

void AckTracker::raise() {
  while (!ranges_.empty() && ranges_.begin()->first == watermark_ &&
         ranges_.begin()->second.acked) {
    watermark_ = ranges_.begin()->second.end;
    ranges_.erase(ranges_.begin());
  }
}

}  // namespace tg::uplink
