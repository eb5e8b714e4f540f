#include "local-broker/broker/ack_queue.h"

#include <algorithm>

namespace tg::broker {
namespace {

constexpr std::size_t kSmallCapacity = 64;

}  // namespace

void AckQueue::push(Owed owed) {
  if (owed.type == mqtt::PacketType::kPuback) ++owed_pubacks_;
  owed_.push_back(owed);
  count();
}

void AckQueue::push_pending(std::uint64_t serial, mqtt::PacketType type, std::uint16_t packet_id,
                            std::uint8_t obligations) {
  // The client has reused the id for something new: nobody asks for the old answer any more.
  std::erase_if(detached_, [=](const Detached& detached) {
    return detached.packet_id == packet_id && detached.type == type;
  });
  push({serial, packet_id, type, obligations});
}

void AckQueue::push_done(mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason) {
  const std::uint64_t serial = owed_.empty() ? 0 : owed_.back().serial;
  push({serial, packet_id, type, 0, reason});
}

bool AckQueue::complete(std::uint64_t serial) {
  if (complete_owed(serial)) return true;
  const auto found = std::find_if(detached_.begin(), detached_.end(),
                                  [serial](const Detached& d) { return d.serial == serial; });
  if (found == detached_.end()) return false;
  if (--found->obligations > 0) return true;
  const std::uint64_t joined = found->joined;
  detached_.erase(found);
  if (detached_.empty()) detached_.shrink_to_fit();
  count();
  if (joined != 0) complete_owed(joined);
  return true;
}

bool AckQueue::complete_owed(std::uint64_t serial) {
  std::size_t low = 0;
  std::size_t high = owed_.size();
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (owed_[middle].serial < serial) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // Those that were done at once share the serial of the pending one in front of them.
  if (low == owed_.size() || owed_[low].serial != serial) return false;
  if (owed_[low].obligations > 0) --owed_[low].obligations;
  return true;
}

bool AckQueue::join(mqtt::PacketType type, std::uint16_t packet_id, std::uint64_t serial) {
  for (std::size_t i = 0; i < owed_.size(); ++i) {
    const Owed& owed = owed_[i];
    if (owed.packet_id == packet_id && owed.type == type) return true;  // one answer is enough
  }
  for (Detached& detached : detached_) {
    if (detached.packet_id != packet_id || detached.type != type) continue;
    detached.joined = serial;
    push({serial, packet_id, type, 1});
    return true;
  }
  return false;
}

void AckQueue::detach() {
  for (std::size_t i = 0; i < owed_.size(); ++i) {
    const Owed& owed = owed_[i];
    const bool is_join =
        std::any_of(detached_.begin(), detached_.end(),
                    [&owed](const Detached& detached) { return detached.joined == owed.serial; });
    if (owed.obligations > 0 && !is_join) {
      detached_.push_back({owed.serial, 0, owed.packet_id, owed.type, owed.obligations});
    }
  }
  for (Detached& detached : detached_) detached.joined = 0;
  owed_.clear();
  owed_pubacks_ = 0;
  count();
}

bool AckQueue::holds_id(std::uint16_t packet_id) const {
  return std::binary_search(qos2_held_.begin(), qos2_held_.end(), packet_id);
}

void AckQueue::hold_id(std::uint16_t packet_id) {
  const auto at = std::lower_bound(qos2_held_.begin(), qos2_held_.end(), packet_id);
  if (at == qos2_held_.end() || *at != packet_id) qos2_held_.insert(at, packet_id);
  count();
}

bool AckQueue::release_id(std::uint16_t packet_id) {
  const auto at = std::lower_bound(qos2_held_.begin(), qos2_held_.end(), packet_id);
  if (at == qos2_held_.end() || *at != packet_id) return false;
  qos2_held_.erase(at);
  if (qos2_held_.capacity() > kSmallCapacity && qos2_held_.size() < qos2_held_.capacity() / 4) {
    qos2_held_.shrink_to_fit();
    count();
  }
  return true;
}

}  // namespace tg::broker
