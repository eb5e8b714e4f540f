// What a session has to send: the window of QoS 1 and 2 messages in flight, and the queue of
// messages that wait for room in the window, for the connection, or for the client to come back.
// No I/O: deliver.cpp moves messages from the queue to the wire.
//
// Packet ids of the window are consecutive (0 skipped), so an acknowledgement finds its record by
// subtraction; the window is at most 65,534 wide and an id is never in use twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "local-broker/broker/message.h"
#include "local-broker/broker/ring.h"

namespace tg::broker {

// Numbers are stored: they do not change.
enum class Await : std::uint8_t { kPuback = 0, kPubrec = 1, kPubcomp = 2, kNothing = 3 };

// A message for one receiver. subscription_id is the only one that applies, 0 = none; where several
// do, they are in the message's properties already.
struct Copy {
  MessageRef message;
  std::uint32_t subscription_id = 0;
  std::uint8_t qos = 0;
  bool retain = false;
  bool is_shared = false;  // by a shared subscription; not known any more after a restart
  StoredId stored = 0;
};

// The copy's message is null when nobody will be sent it again: in a session without a future,
// unless it may go to another member of a shared subscription.
struct InFlight : Copy {
  std::uint16_t packet_id = 0;
  Await await = Await::kNothing;
  bool sent = false;             // at least once
  std::uint64_t durable_at = 0;  // serial of the commit that its next packet waits for
};

struct Queued : Copy {
  bool is_replay = false;  // from the retained set, on subscribing
};

class Outbound {
 public:
  Outbound() = default;
  ~Outbound() { note(-static_cast<std::ptrdiff_t>(window_.size())); }
  Outbound(const Outbound&) = delete;
  Outbound& operator=(const Outbound&) = delete;

  // `entries` is the sum of in_flight() of all that count there; it must outlive them.
  void count_in(std::size_t& entries) { entries_ = &entries; }

  // Opens a window place for what is sent at once; returns its packet id.
  std::uint16_t start(Copy copy);
  // For what is sent later: after those that are unsent already, and after its commit.
  InFlight& start_unsent(Copy copy);
  [[nodiscard]] InFlight& newest() { return window_.back(); }  // of start()
  [[nodiscard]] std::size_t in_flight() const { return window_.size(); }

  // A new connection: the whole window is to be sent again, as far as the peer's window goes.
  void begin_resend();
  [[nodiscard]] std::size_t unsent() const { return unsent_; }
  // The next one of them; it counts as sent from now on.
  InFlight& resend_next() { return window_[window_.size() - unsent_--]; }
  // Its commit is done.
  [[nodiscard]] bool may_send_next() { return is_durable(window_[window_.size() - unsent_]); }
  [[nodiscard]] bool is_durable(const InFlight& record) const {
    return record.durable_at <= committed_;
  }

  [[nodiscard]] InFlight* find(std::uint16_t packet_id);
  // False when the id is unknown or awaits something else. `done` gets what is over.
  bool on_puback(std::uint16_t packet_id, Copy* done = nullptr) {
    return finish(packet_id, Await::kPuback, done);
  }
  bool on_pubcomp(std::uint16_t packet_id, Copy* done = nullptr) {
    return finish(packet_id, Await::kPubcomp, done);
  }
  bool on_pubrec_refused(std::uint16_t packet_id, Copy* done = nullptr) {
    return finish(packet_id, Await::kPubrec, done);
  }
  // The message itself is not needed any more.
  bool on_pubrec(std::uint16_t packet_id);
  // It is too large for this peer.
  void abandon(const InFlight& record, Copy* done) { finish(record.packet_id, record.await, done); }

  // The PUBREL of a record waits for the commit of that serial.
  void release_after(InFlight& record, std::uint64_t serial);
  // Everything up to that serial is durable. Calls release(packet_id) for the PUBRELs it frees.
  template <class Release>
  void commit(std::uint64_t serial, Release&& release) {
    committed_ = std::max(committed_, serial);
    for (; !releasing_.empty() && releasing_.front().serial <= serial; releasing_.pop_front()) {
      release(releasing_.front().packet_id);
    }
  }

  // From the store, in order. False when it does not fit: it can only be queued then.
  bool restore(InFlight record);
  // Calls visit(Copy&, const InFlight*), the latter null when it is queued.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (std::size_t i = 0; i < window_.size(); ++i) visit(window_[i], &window_[i]);
    for (std::size_t i = 0; i < queue_.size(); ++i) {
      visit(queue_[i], static_cast<const InFlight*>(nullptr));
    }
  }

  void push(Queued queued);
  // To be sent again, or for the first time.
  [[nodiscard]] bool has_more() const { return unsent_ > 0 || !queue_.empty(); }
  [[nodiscard]] bool has_queued() const { return !queue_.empty(); }
  [[nodiscard]] Queued& front() { return queue_.front(); }
  Queued take_front();
  // Takes the oldest live QoS 0 message out of the queue, wherever it stands; false = there is
  // none.
  bool drop_qos0();
  // Calls drop(Queued) for those in the queue that have expired; the others keep their order.
  template <class Drop>
  void drop_expired(std::int64_t now_ms, Drop&& drop) {
    const std::size_t count = queue_.size();
    std::size_t first = 0;
    while (first < count && !queue_[first].message->is_expired(now_ms)) ++first;
    if (first == count) return;
    for (std::size_t i = 0; i < count; ++i) {
      Queued queued = take_front();
      if (queued.message->is_expired(now_ms)) {
        drop(std::move(queued));
      } else {
        push(std::move(queued));
      }
    }
  }
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const { return queued_bytes_; }
  // Retained messages on their way: live ones must not overtake them.
  [[nodiscard]] std::size_t replaying() const { return replaying_; }

 private:
  struct Releasing {
    std::uint64_t serial = 0;
    std::uint16_t packet_id = 0;
  };

  void note(std::ptrdiff_t more) {
    if (entries_ != nullptr) *entries_ += static_cast<std::size_t>(more);
  }
  InFlight& open_place(Copy copy);
  bool finish(std::uint16_t packet_id, Await await, Copy* done);

  std::size_t* entries_ = nullptr;
  std::uint32_t replaying_ = 0;
  std::uint32_t queued_qos0_ = 0;  // live ones
  std::uint16_t last_id_ = 0;
  Ring<Queued> queue_;
  Ring<InFlight> window_;
  std::size_t unsent_ = 0;        // at the window's end
  std::size_t queued_bytes_ = 0;  // replays are counted by the retained set
  std::uint64_t committed_ = 0;   // serial
  Ring<Releasing> releasing_;     // in order of their commits
};

}  // namespace tg::broker
