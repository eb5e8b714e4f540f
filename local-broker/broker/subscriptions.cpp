#include "local-broker/broker/subscriptions.h"

#include <utility>

namespace tg::broker {

std::size_t Subscriptions::place_of(const Session& session, NodeId node) {
  std::size_t place = 0;
  while (place < session.subscriptions.size() && session.subscriptions[place].node != node) ++place;
  return place;
}

Subscriptions::Outcome Subscriptions::add(Session& session, std::string_view filter,
                                          std::uint8_t options, std::size_t limit) {
  const NodeId known = tree_.find(filter);
  const std::size_t place =
      known == kNoNode ? session.subscriptions.size() : place_of(session, known);
  if (place < session.subscriptions.size()) {
    const SubscriptionPlace at = session.subscriptions[place];
    tree_.value(at.node).subscribers[at.index].options = options;
    ++generation_;
    return Outcome::kReplaced;
  }
  if (session.subscriptions.size() >= limit) return Outcome::kLimit;
  const NodeId node = tree_.insert(filter);
  auto& subscribers = tree_.value(node).subscribers;
  session.subscriptions.push_back({node, static_cast<std::uint32_t>(subscribers.size())});
  subscribers.push_back({&session, static_cast<std::uint32_t>(place), options});
  ++generation_;
  ++size_;
  return Outcome::kNew;
}

bool Subscriptions::remove(Session& session, std::string_view filter) {
  const NodeId node = tree_.find(filter);
  if (node == kNoNode) return false;
  const std::size_t place = place_of(session, node);
  if (place == session.subscriptions.size()) return false;
  remove_at(session, place);
  return true;
}

void Subscriptions::remove_all(Session& session) {
  while (!session.subscriptions.empty()) remove_at(session, session.subscriptions.size() - 1);
}

// Both halves are removed by moving the last one of their list into the gap, whose other half is
// told its new place.
void Subscriptions::remove_at(Session& session, std::size_t place) {
  const SubscriptionPlace at = session.subscriptions[place];
  auto& subscribers = tree_.value(at.node).subscribers;
  if (at.index + 1 < subscribers.size()) {
    subscribers[at.index] = subscribers.back();
    const Subscriber& moved = subscribers[at.index];
    moved.session->subscriptions[moved.place].index = at.index;
  }
  subscribers.pop_back();
  if (place + 1 < session.subscriptions.size()) {
    session.subscriptions[place] = session.subscriptions.back();
    const SubscriptionPlace& moved = session.subscriptions[place];
    tree_.value(moved.node).subscribers[moved.index].place = static_cast<std::uint32_t>(place);
  }
  session.subscriptions.pop_back();
  if (subscribers.empty()) tree_.prune(at.node);
  ++generation_;
  --size_;
}

void Subscriptions::collect(std::string_view topic) {
  matched_.clear();
  frontier_.assign(1, tree_.kRoot);
  bool wildcards = !topic.starts_with('$');  // [MQTT-4.7.2-1], at the first level only
  mqtt::Levels levels(topic);
  for (std::string_view level; !frontier_.empty() && levels.next(level); wildcards = true) {
    next_.clear();
    for (const NodeId node : frontier_) {
      if (wildcards) {
        if (const NodeId pound = tree_.pound(node); pound != kNoNode) matched_.push_back(pound);
        if (const NodeId plus = tree_.plus(node); plus != kNoNode) next_.push_back(plus);
      }
      if (const NodeId child = tree_.child(node, level); child != kNoNode) next_.push_back(child);
    }
    std::swap(frontier_, next_);
  }
  for (const NodeId node : frontier_) {
    matched_.push_back(node);
    // "a/#" matches "a" too.
    if (const NodeId pound = tree_.pound(node); pound != kNoNode) matched_.push_back(pound);
  }
}

}  // namespace tg::broker
