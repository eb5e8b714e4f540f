// The retained set: the last retained message of each topic.
//
// Limit: bytes of all messages and of the tree. Beyond it a topic keeps nothing rather than an
// outdated value.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "local-broker/broker/level_tree.h"
#include "local-broker/broker/message.h"

namespace tg::broker {

class Retained {
 public:
  explicit Retained(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // An empty payload removes [MQTT-3.3.1-10, -11]. False: no room, the topic now has none.
  bool set(std::string_view topic, MessageRef message);
  void remove(std::string_view topic);
  // Null when the topic has none.
  [[nodiscard]] const Message* find(std::string_view topic) const;

  // Calls visit(const MessageRef&) for each message whose topic matches.
  template <class Visit>
  void match(std::string_view filter, Visit&& visit) const {
    collect(filter);
    for (const NodeId node : matched_) visit(tree_.value(node).message);
  }

  // Calls visit(const Message&) for each.
  template <class Visit>
  void for_each(Visit&& visit) const {
    matched_.clear();
    collect_below(tree_.kRoot, false);
    for (const NodeId node : matched_) visit(*tree_.value(node).message);
  }

  // By number, of which there are end(): null when there is none.
  [[nodiscard]] MessageRef at(NodeId node) const { return tree_.value(node).message; }
  [[nodiscard]] NodeId end() const { return tree_.end(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_ + tree_.bytes(); }
  [[nodiscard]] std::size_t tree_bytes() const { return tree_.bytes(); }

 private:
  struct Leaf {
    MessageRef message;
    [[nodiscard]] bool empty() const { return !message; }
  };

  void collect(std::string_view filter) const;
  void collect_below(NodeId node, bool skip_dollar) const;
  void take(NodeId node) const;
  void clear(NodeId node);

  std::size_t max_bytes_;
  LevelTree<Leaf> tree_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;  // of the messages
  // Scratch of match().
  mutable std::vector<NodeId> matched_;
  mutable std::vector<NodeId> frontier_;
  mutable std::vector<NodeId> next_;
};

}  // namespace tg::broker
