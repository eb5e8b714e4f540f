// What the broker remembers of one client: subscriptions, messages on their way, acknowledgements
// owed. A transient session ends with its connection; another waits for the client until it
// expires.
//
// Owner: Sessions. Sessions end only between packets and rounds, never during a delivery, so a
// Session* in a list of targets is good for as long as nothing unsubscribes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "local-broker/broker/ack_queue.h"
#include "local-broker/broker/hooks.h"
#include "local-broker/broker/level_tree.h"
#include "local-broker/broker/outbound.h"
#include "local-broker/broker/slot_table.h"
#include "local-broker/broker/timer_wheel.h"

namespace tg::broker {

struct Connection;
struct DelayedWill;

// A session's half of a subscription: where the other half stands in the tree.
struct SubscriptionPlace {
  static constexpr std::uint32_t kNoGroup = 0xFFFF'FFFF;
  NodeId node = kNoNode;
  std::uint32_t group = kNoGroup;  // index of the shared subscription at the node
  std::uint32_t index = 0;
};

struct Session {
  Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  static constexpr std::int64_t kNever = -1;

  [[nodiscard]] bool is_transient() const { return expires_after_ms == 0; }

  // What a delivery looks at comes first: it meets few cache lines, and thousands of sessions.
  Connection* connection = nullptr;   // null while the client is away
  std::int64_t expires_after_ms = 0;  // the client's being away for so long; or kNever
  std::uint32_t slot = 0;
  StoredId stored = 0;  // its place in the SessionStore
  Outbound outbound;
  AckQueue acks;
  ClientInfo client;
  std::vector<SubscriptionPlace> subscriptions;
  Timer expiry;
  std::unique_ptr<DelayedWill> will;  // while the client is away
  // Scratch of TopicCache: the last match that met this session, and where it put it.
  std::uint64_t match_mark = 0;
  std::uint32_t match_index = 0;
};

class Sessions {
 public:
  // More than the slots that an acknowledgement token can name.
  static constexpr std::size_t kMax = 1U << 20U;

  [[nodiscard]] Session* find(std::string_view client_id) const;
  [[nodiscard]] Session* at(std::uint64_t slot) const { return slots_.find(slot); }
  // The id is free, and size() < kMax.
  Session& create(std::string client_id);
  void erase(Session& session);
  [[nodiscard]] std::size_t size() const { return slots_.size(); }
  // Of all.
  [[nodiscard]] std::size_t in_flight() const { return in_flight_; }
  [[nodiscard]] std::size_t ack_bytes() const { return ack_bytes_; }

  [[nodiscard]] std::uint32_t end() const { return slots_.end(); }  // past the highest slot

  template <class Visit>
  void for_each(Visit&& visit) const {
    slots_.for_each(visit);
  }

 private:
  // Keys view the sessions' own client ids.
  std::unordered_map<std::string_view, std::uint32_t> by_id_;
  std::size_t in_flight_ = 0;
  std::size_t ack_bytes_ = 0;
  SlotTable<Session> slots_;
};

// An acknowledgement token: the session's slot, and a serial that is never given twice.
struct TokenParts {
  std::uint32_t slot;
  std::uint64_t serial;
};
inline constexpr unsigned kSerialBits = 44;
[[nodiscard]] inline AckToken make_token(std::uint32_t slot, std::uint64_t serial) {
  return std::uint64_t{slot} << kSerialBits | serial;
}
[[nodiscard]] inline TokenParts split_token(AckToken token) {
  return {static_cast<std::uint32_t>(token >> kSerialBits), token & ((1ULL << kSerialBits) - 1)};
}

}  // namespace tg::broker
