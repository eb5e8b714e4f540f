#include "local-broker/broker/subscriptions.h"

#include <utility>

namespace tg::broker {

std::uint32_t Subscriptions::group_of(NodeId node, std::string_view name) const {
  const auto& groups = tree_.value(node).groups;
  for (std::uint32_t i = 0; i < groups.size(); ++i) {
    if (groups[i].name == name) return i;
  }
  return SubscriptionPlace::kNoGroup;
}

std::size_t Subscriptions::place_of(const Session& session,
                                    const mqtt::FilterRequest& request) const {
  const auto& places = session.subscriptions;
  const NodeId node = tree_.find(request.filter);
  if (node == kNoNode) return places.size();
  const bool shared = !request.group.empty();
  const std::uint32_t group = shared ? group_of(node, request.group) : SubscriptionPlace::kNoGroup;
  if (shared && group == SubscriptionPlace::kNoGroup) return places.size();
  std::size_t place = 0;
  while (place < places.size() && (places[place].node != node || places[place].group != group)) {
    ++place;
  }
  return place;
}

std::vector<Subscriber>& Subscriptions::list_of(const SubscriptionPlace& at) {
  Leaf& leaf = tree_.value(at.node);
  return at.group == SubscriptionPlace::kNoGroup ? leaf.subscribers : leaf.groups[at.group].members;
}

Subscriptions::Outcome Subscriptions::add(Session& session, const mqtt::FilterRequest& request,
                                          std::uint32_t subscription_id, std::size_t limit) {
  const std::size_t place = place_of(session, request);
  if (place < session.subscriptions.size()) {
    const SubscriptionPlace at = session.subscriptions[place];
    Subscriber& subscriber = list_of(at)[at.index];
    subscriber.options = request.options;
    subscriber.subscription_id = subscription_id;
    ++generation_;
    return Outcome::kReplaced;
  }
  if (session.subscriptions.size() >= limit) return Outcome::kLimit;
  SubscriptionPlace at;
  at.node = tree_.insert(request.filter);
  if (!request.group.empty()) {
    auto& groups = tree_.value(at.node).groups;
    at.group = group_of(at.node, request.group);
    if (at.group == SubscriptionPlace::kNoGroup) {
      at.group = static_cast<std::uint32_t>(groups.size());
      groups.push_back({std::string(request.group), {}, 0});
      group_bytes_ += sizeof(SharedGroup) + request.group.size();
    }
    ++shared_;
  }
  auto& list = list_of(at);
  at.index = static_cast<std::uint32_t>(list.size());
  session.subscriptions.push_back(at);
  list.push_back({&session, static_cast<std::uint32_t>(place), subscription_id, request.options});
  ++generation_;
  ++size_;
  return Outcome::kNew;
}

bool Subscriptions::remove(Session& session, const mqtt::FilterRequest& request) {
  const std::size_t place = place_of(session, request);
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
  auto& list = list_of(at);
  if (at.index + 1 < list.size()) {
    list[at.index] = list.back();
    const Subscriber& moved = list[at.index];
    moved.session->subscriptions[moved.place].index = at.index;
  }
  list.pop_back();
  if (place + 1 < session.subscriptions.size()) {
    session.subscriptions[place] = session.subscriptions.back();
    const SubscriptionPlace& moved = session.subscriptions[place];
    list_of(moved)[moved.index].place = static_cast<std::uint32_t>(place);
  }
  session.subscriptions.pop_back();
  if (at.group != SubscriptionPlace::kNoGroup) --shared_;
  if (list.empty() && at.group != SubscriptionPlace::kNoGroup) remove_group(at.node, at.group);
  if (tree_.value(at.node).empty()) tree_.prune(at.node);
  ++generation_;
  --size_;
}

void Subscriptions::remove_group(NodeId node, std::uint32_t index) {
  auto& groups = tree_.value(node).groups;
  group_bytes_ -= sizeof(SharedGroup) + groups[index].name.size();
  if (index + 1 < groups.size()) {
    groups[index] = std::move(groups.back());
    for (const Subscriber& member : groups[index].members) {
      member.session->subscriptions[member.place].group = index;
    }
  }
  groups.pop_back();
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
