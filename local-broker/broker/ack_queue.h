// The acknowledgements that a session owes for QoS 1 and 2 publishes it has received. They leave in
// the order in which the publishes came: one that is done waits behind one that is pending. Each
// counts its obligations (what stores the publish) and is done when all have been met.
//
// A connection's end detaches what is pending: it is owed to nobody until the client sends that
// publish again, which joins the pending record instead of being a new publish.
//
// Also holds the packet ids of QoS 2 publishes that were received and not yet released.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "local-broker/broker/ring.h"
#include "local-broker/mqtt/packet.h"

namespace tg::broker {

class AckQueue {
 public:
  AckQueue() = default;
  ~AckQueue() { count(0); }
  AckQueue(const AckQueue&) = delete;
  AckQueue& operator=(const AckQueue&) = delete;

  // `bytes` is the sum of what all that count there take; it must outlive them.
  void count_in(std::size_t& bytes) { all_bytes_ = &bytes; }

  // Nothing is waiting: an acknowledgement that is done may be sent without coming here.
  [[nodiscard]] bool empty() const { return owed_.empty(); }
  // With those of earlier connections.
  [[nodiscard]] std::size_t size() const { return owed_.size() + detached_.size(); }

  // `type` is PUBACK, PUBREC or PUBCOMP. Serials grow from call to call.
  void push_pending(std::uint64_t serial, mqtt::PacketType type, std::uint16_t packet_id,
                    std::uint8_t obligations = 1);
  void push_done(mqtt::PacketType type, std::uint16_t packet_id,
                 mqtt::Reason reason = mqtt::Reason::kSuccess);
  // One obligation has been met. False when no record has that serial.
  bool complete(std::uint64_t serial);
  // Calls send(type, packet_id, reason) for those at the front that are done. Sending may end the
  // connection, and detach() what is left.
  template <class Send>
  void drain(Send&& send) {
    while (!owed_.empty() && owed_.front().obligations == 0) {
      const Owed owed = owed_.take_front();
      if (owed.type == mqtt::PacketType::kPuback) --owed_pubacks_;
      count();
      send(owed.type, owed.packet_id, owed.reason);
    }
  }

  // The publish came again. True when it is pending and has been joined: `serial` is then the place
  // of its acknowledgement on this connection.
  bool join(mqtt::PacketType type, std::uint16_t packet_id, std::uint64_t serial);
  void detach();

  // Publishes of which the client awaits PUBACK or PUBCOMP. (A pending QoS 2 publish is held, too.)
  [[nodiscard]] std::size_t unfinished() const { return owed_pubacks_ + qos2_held_.size(); }
  [[nodiscard]] bool holds_id(std::uint16_t packet_id) const;
  void hold_id(std::uint16_t packet_id);
  [[nodiscard]] const std::vector<std::uint16_t>& held_ids() const { return qos2_held_; }
  // False when it was not held.
  bool release_id(std::uint16_t packet_id);

 private:
  struct Owed {
    std::uint64_t serial = 0;
    std::uint16_t packet_id = 0;
    mqtt::PacketType type = mqtt::PacketType::kPuback;
    std::uint8_t obligations = 0;
    mqtt::Reason reason = mqtt::Reason::kSuccess;
  };
  // Pending from an earlier connection; joined = the serial in owed_, 0 = not sent again.
  struct Detached {
    std::uint64_t serial = 0;
    std::uint64_t joined = 0;
    std::uint16_t packet_id = 0;
    mqtt::PacketType type = mqtt::PacketType::kPuback;
    std::uint8_t obligations = 0;
  };

  void push(Owed owed);
  void count(std::size_t bytes) {
    if (all_bytes_ != nullptr) *all_bytes_ += bytes - bytes_;
    bytes_ = bytes;
  }
  // What it takes has changed.
  void count() {
    count(owed_.capacity() * sizeof(Owed) + detached_.capacity() * sizeof(Detached) +
          qos2_held_.capacity() * sizeof(std::uint16_t));
  }
  bool complete_owed(std::uint64_t serial);

  Ring<Owed> owed_;                       // ascending serials
  std::size_t owed_pubacks_ = 0;          // of owed_
  std::vector<Detached> detached_;        // bounded by the receive maximum
  std::vector<std::uint16_t> qos2_held_;  // ascending
  std::size_t* all_bytes_ = nullptr;
  std::size_t bytes_ = 0;  // of it, as counted
};

}  // namespace tg::broker
