// What a session has to send: the window of QoS 1 and 2 messages in flight, and the queue of
// messages that wait for room in the window, for the connection, or for the client to come back.
// No I/O: deliver.cpp moves messages from the queue to the wire.
//
// Packet ids of the window are consecutive (0 skipped), so an acknowledgement finds its record by
// subtraction; the window is at most 65,534 wide and an id is never in use twice.
#pragma once

#include <cstddef>
#include <cstdint>

#include "local-broker/broker/message.h"
#include "local-broker/broker/ring.h"

namespace tg::broker {

enum class Await : std::uint8_t { kPuback, kPubrec, kPubcomp, kNothing };

// A message for one receiver. subscription_id is the only one that applies, 0 = none; where several
// do, they are in the message's properties already.
struct Copy {
  MessageRef message;
  std::uint32_t subscription_id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
};

// The copy's message is null when it will never be sent again (a session without a future).
struct InFlight : Copy {
  std::uint16_t packet_id = 0;
  Await await = Await::kNothing;
};

struct Queued : Copy {
  bool is_replay = false;  // from the retained set, on subscribing
};

class Outbound {
 public:
  // Opens a window place; returns its packet id.
  std::uint16_t start(Copy copy);
  [[nodiscard]] std::size_t in_flight() const { return window_.size(); }

  // A new connection: the whole window is to be sent again, as far as the peer's window goes.
  void begin_resend() { unsent_ = window_.size(); }
  [[nodiscard]] std::size_t unsent() const { return unsent_; }
  // The next one of them; it counts as sent from now on.
  InFlight& resend_next() { return window_[window_.size() - unsent_--]; }

  // False when the id is unknown or awaits something else.
  bool on_puback(std::uint16_t packet_id) { return finish(packet_id, Await::kPuback); }
  bool on_pubcomp(std::uint16_t packet_id) { return finish(packet_id, Await::kPubcomp); }
  // The message itself is not needed any more. `refused`: neither is the rest of the exchange.
  bool on_pubrec(std::uint16_t packet_id, bool refused = false);

  void push(Queued queued);
  // To be sent again, or for the first time.
  [[nodiscard]] bool has_more() const { return unsent_ > 0 || !queue_.empty(); }
  [[nodiscard]] bool has_queued() const { return !queue_.empty(); }
  [[nodiscard]] Queued& front() { return queue_.front(); }
  Queued take_front();
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
  // Retained messages on their way: live ones must not overtake them.
  [[nodiscard]] std::size_t replaying() const { return replaying_; }

 private:
  [[nodiscard]] InFlight* find(std::uint16_t packet_id);
  bool finish(std::uint16_t packet_id, Await await);

  std::uint32_t replaying_ = 0;
  std::uint16_t last_id_ = 0;
  Ring<Queued> queue_;
  Ring<InFlight> window_;
  std::size_t unsent_ = 0;        // at the window's end
  std::size_t queued_bytes_ = 0;  // replays are counted by the retained set
};

}  // namespace tg::broker
