// Who wants which topics: the filters of all sessions in one tree.
//
// generation() changes with every subscription that comes or goes; what was matched under an older
// one is stale (and may name sessions that have gone).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "local-broker/broker/level_tree.h"
#include "local-broker/broker/session.h"

namespace tg::broker {

struct Subscriber {
  Session* session = nullptr;
  std::uint32_t place = 0;   // index in Session::subscriptions
  std::uint8_t options = 0;  // of the SUBSCRIBE: bits 0-1 are the QoS
};

class Subscriptions {
 public:
  enum class Outcome : std::uint8_t { kNew, kReplaced, kLimit };
  // The filter must be valid. kLimit: the session has `limit` of them.
  Outcome add(Session& session, std::string_view filter, std::uint8_t options, std::size_t limit);
  bool remove(Session& session, std::string_view filter);
  void remove_all(Session& session);

  // Calls visit(const Subscriber&) for every subscription that matches; a session with overlapping
  // filters is visited several times.
  template <class Visit>
  void match(std::string_view topic, Visit&& visit) {
    collect(topic);
    for (const NodeId node : matched_) {
      for (const Subscriber& subscriber : tree_.value(node).subscribers) visit(subscriber);
    }
  }

  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  void invalidate() { ++generation_; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Leaf {
    std::vector<Subscriber> subscribers;
    [[nodiscard]] bool empty() const { return subscribers.empty(); }
  };

  void collect(std::string_view topic);
  void remove_at(Session& session, std::size_t place);
  [[nodiscard]] static std::size_t place_of(const Session& session, NodeId node);

  LevelTree<Leaf> tree_;
  std::uint64_t generation_ = 1;
  std::size_t size_ = 0;
  // Scratch of match().
  std::vector<NodeId> matched_;
  std::vector<NodeId> frontier_;
  std::vector<NodeId> next_;
};

}  // namespace tg::broker
