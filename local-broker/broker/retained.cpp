#include "local-broker/broker/retained.h"

#include <utility>

namespace tg::broker {

bool Retained::set(std::string_view topic, MessageRef message) {
  const NodeId node = tree_.insert(topic);
  MessageRef& place = tree_.value(node).message;
  const std::size_t less = place ? place->size() : 0;
  if (bytes() - less + message->size() > max_bytes_) {
    clear(node);
    return false;
  }
  bytes_ += message->size() - less;
  size_ += place ? 0 : 1;
  place = std::move(message);
  return true;
}

void Retained::remove(std::string_view topic) {
  const NodeId node = tree_.find(topic);
  if (node != kNoNode) clear(node);
}

void Retained::clear(NodeId node) {
  if (MessageRef& place = tree_.value(node).message) {
    bytes_ -= place->size();
    --size_;
    place = {};
  }
  tree_.prune(node);
}

const Message* Retained::find(std::string_view topic) const {
  const NodeId node = tree_.find(topic);
  return node == kNoNode || tree_.value(node).empty() ? nullptr : &*tree_.value(node).message;
}

void Retained::take(NodeId node) const {
  if (!tree_.value(node).empty()) matched_.push_back(node);
}

void Retained::collect(std::string_view filter) const {
  matched_.clear();
  frontier_.assign(1, tree_.kRoot);
  bool first = true;  // a leading wildcard passes '$' topics by [MQTT-4.7.2-1]
  mqtt::Levels levels(filter);
  for (std::string_view level; levels.next(level); first = false) {
    if (level == "#") {
      for (const NodeId node : frontier_) collect_below(node, first);
      return;
    }
    next_.clear();
    for (const NodeId node : frontier_) {
      if (level != "+") {
        if (const NodeId child = tree_.child(node, level); child != kNoNode) next_.push_back(child);
        continue;
      }
      for (NodeId child = tree_.first_child(node); child != kNoNode;
           child = tree_.next_sibling(child)) {
        if (!first || !tree_.level(child).starts_with('$')) next_.push_back(child);
      }
    }
    std::swap(frontier_, next_);
  }
  for (const NodeId node : frontier_) take(node);
}

// The node and everything below it, without recursion: topics may be deep.
void Retained::collect_below(NodeId node, bool skip_dollar) const {
  take(node);
  next_.assign(1, node);
  while (!next_.empty()) {
    const NodeId parent = next_.back();
    next_.pop_back();
    for (NodeId child = tree_.first_child(parent); child != kNoNode;
         child = tree_.next_sibling(child)) {
      if (skip_dollar && parent == tree_.kRoot && tree_.level(child).starts_with('$')) continue;
      take(child);
      next_.push_back(child);
    }
  }
}

}  // namespace tg::broker
