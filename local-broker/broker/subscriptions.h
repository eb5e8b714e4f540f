// Who wants which topics: the filters of all sessions in one tree.
//
// generation() changes with every subscription that comes or goes; what was matched under an older
// one is stale (and may name sessions that have gone).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/broker/level_tree.h"
#include "local-broker/broker/session.h"
#include "local-broker/mqtt/packet.h"

namespace tg::broker {

struct Subscriber {
  Session* session = nullptr;
  std::uint32_t place = 0;            // index in Session::subscriptions
  std::uint32_t subscription_id = 0;  // 0 = none
  std::uint8_t options = 0;           // of the SUBSCRIBE
};

// The members of a shared subscription take turns.
struct SharedGroup {
  std::string name;
  std::vector<Subscriber> members;
  std::size_t turn = 0;
};

class Subscriptions {
 public:
  enum class Outcome : std::uint8_t { kNew, kReplaced, kLimit };
  // The request must be valid. kLimit: the session has `limit` of them.
  Outcome add(Session& session, const mqtt::FilterRequest& request, std::uint32_t subscription_id,
              std::size_t limit);
  bool remove(Session& session, const mqtt::FilterRequest& request);
  void remove_all(Session& session);

  // Calls visit(const mqtt::FilterRequest&, subscription_id) for each of the session's.
  template <class Visit>
  void for_each(const Session& session, Visit&& visit) {
    for (const SubscriptionPlace& at : session.subscriptions) {
      const std::string filter = tree_.path(at.node);
      const Subscriber& half = list_of(at)[at.index];
      std::string_view group;
      if (at.group != SubscriptionPlace::kNoGroup) {
        group = tree_.value(at.node).groups[at.group].name;
      }
      visit(mqtt::FilterRequest{filter, group, half.options}, half.subscription_id);
    }
  }

  // Calls visit(const Subscriber&) for every subscription of a session's own that matches; a
  // session with overlapping filters is visited several times. Calls visit_group(GroupPlace, const
  // SharedGroup&) for every shared one.
  template <class Visit, class VisitGroup>
  void match(std::string_view topic, Visit&& visit, VisitGroup&& visit_group) {
    collect(topic);
    for (const NodeId node : matched_) {
      const Leaf& leaf = tree_.value(node);
      for (const Subscriber& subscriber : leaf.subscribers) visit(subscriber);
      for (std::uint32_t i = 0; i < leaf.groups.size(); ++i) {
        visit_group(GroupPlace{node, i}, leaf.groups[i]);
      }
    }
  }

  // Good while generation() stays.
  struct GroupPlace {
    NodeId node;
    std::uint32_t index;
  };
  [[nodiscard]] SharedGroup& group(GroupPlace place) {
    return tree_.value(place.node).groups[place.index];
  }

  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  void invalidate() { ++generation_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Of these, those of a shared one.
  [[nodiscard]] std::size_t shared() const { return shared_; }
  [[nodiscard]] std::size_t bytes() const {
    return tree_.bytes() + group_bytes_ + size_ * (sizeof(Subscriber) + sizeof(SubscriptionPlace));
  }

 private:
  struct Leaf {
    std::vector<Subscriber> subscribers;
    std::vector<SharedGroup> groups;
    [[nodiscard]] bool empty() const { return subscribers.empty() && groups.empty(); }
  };

  void collect(std::string_view topic);
  // The list in which the other half of a subscription stands.
  [[nodiscard]] std::vector<Subscriber>& list_of(const SubscriptionPlace& at);
  void remove_at(Session& session, std::size_t place);
  void remove_group(NodeId node, std::uint32_t index);
  // Index in Session::subscriptions; its size when there is none.
  [[nodiscard]] std::size_t place_of(const Session& session,
                                     const mqtt::FilterRequest& request) const;
  [[nodiscard]] std::uint32_t group_of(NodeId node, std::string_view name) const;

  LevelTree<Leaf> tree_;
  std::uint64_t generation_ = 1;
  std::size_t size_ = 0;
  std::size_t shared_ = 0;
  std::size_t group_bytes_ = 0;
  // Scratch of match().
  std::vector<NodeId> matched_;
  std::vector<NodeId> frontier_;
  std::vector<NodeId> next_;
};

}  // namespace tg::broker
