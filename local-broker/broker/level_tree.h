// A tree of topic levels, each node holding a T. Subscriptions and retained messages both stand in
// one: the first is walked by topic, the second by filter.
//
// Nodes are numbered and kept in one arena; children are found through one open-addressing table
// keyed by (parent, level), so that a node is small however many children it has.
// T needs `bool empty() const`; nodes that are empty and childless are removed by prune().
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "local-broker/broker/hash.h"
#include "local-broker/mqtt/topic.h"

namespace tg::broker {

using NodeId = std::uint32_t;
inline constexpr NodeId kNoNode = 0xFFFF'FFFF;

template <class T>
class LevelTree {
 public:
  static constexpr NodeId kRoot = 0;

  LevelTree() : table_(64, kNoNode) { nodes_.emplace_back(); }

  NodeId insert(std::string_view path) {
    NodeId node = kRoot;
    mqtt::Levels levels(path);
    for (std::string_view level; levels.next(level);) {
      const NodeId next = child(node, level);
      node = next != kNoNode ? next : add_child(node, level);
    }
    return node;
  }
  [[nodiscard]] NodeId find(std::string_view path) const {
    NodeId node = kRoot;
    mqtt::Levels levels(path);
    for (std::string_view level; node != kNoNode && levels.next(level);) node = child(node, level);
    return node;
  }
  // What was inserted to make it.
  [[nodiscard]] std::string path(NodeId node) const {
    std::string path = nodes_[node].level;
    for (NodeId at = nodes_[node].parent; at != kRoot; at = nodes_[at].parent) {
      path.insert(0, nodes_[at].level + '/');
    }
    return path;
  }
  // Removes the node and then its parents while there is nothing in or below them.
  void prune(NodeId node) {
    while (node != kRoot && nodes_[node].first_child == kNoNode && nodes_[node].value.empty()) {
      const NodeId parent = nodes_[node].parent;
      remove(node);
      node = parent;
    }
  }

  [[nodiscard]] NodeId child(NodeId parent, std::string_view level) const {
    if (nodes_[parent].first_child == kNoNode) return kNoNode;
    const auto hash = hash_of(parent, level);
    for (std::size_t at = hash & mask(); table_[at] != kNoNode; at = (at + 1) & mask()) {
      const Node& node = nodes_[table_[at]];
      if (node.hash == hash && node.parent == parent && node.level == level) return table_[at];
    }
    return kNoNode;
  }
  // The child "+" or "#", without a look-up.
  [[nodiscard]] NodeId plus(NodeId node) const { return nodes_[node].plus; }
  [[nodiscard]] NodeId pound(NodeId node) const { return nodes_[node].pound; }
  [[nodiscard]] NodeId first_child(NodeId node) const { return nodes_[node].first_child; }
  [[nodiscard]] NodeId next_sibling(NodeId node) const { return nodes_[node].next_sibling; }
  [[nodiscard]] std::string_view level(NodeId node) const { return nodes_[node].level; }
  [[nodiscard]] T& value(NodeId node) { return nodes_[node].value; }
  [[nodiscard]] const T& value(NodeId node) const { return nodes_[node].value; }
  // Past the highest node; those below it may be free, and are empty then.
  [[nodiscard]] NodeId end() const { return static_cast<NodeId>(nodes_.size()); }
  // Nodes besides the root.
  [[nodiscard]] std::size_t size() const { return size_; }
  // Memory of the nodes that are in use, without what their values own.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Node {
    std::string level;
    T value{};
    std::uint32_t hash = 0;
    NodeId parent = kNoNode;
    NodeId first_child = kNoNode;
    NodeId next_sibling = kNoNode;
    NodeId previous_sibling = kNoNode;
    NodeId plus = kNoNode;
    NodeId pound = kNoNode;
  };

  [[nodiscard]] std::size_t mask() const { return table_.size() - 1; }
  static std::uint32_t hash_of(NodeId parent, std::string_view level) {
    return static_cast<std::uint32_t>(hash_bytes(level, parent));
  }

  // With its places in the table, which is at most half full.
  static std::size_t cost(std::string_view level) {
    return sizeof(Node) + 2 * sizeof(NodeId) + level.size();
  }

  NodeId add_child(NodeId parent, std::string_view level) {
    if ((size_ + 1) * 2 > table_.size()) grow_table();
    NodeId id = static_cast<NodeId>(nodes_.size());
    if (free_.empty()) {
      nodes_.emplace_back();
    } else {
      id = free_.back();
      free_.pop_back();
    }
    Node& node = nodes_[id];
    node.level = level;
    node.parent = parent;
    node.hash = hash_of(parent, level);
    node.next_sibling = nodes_[parent].first_child;
    if (node.next_sibling != kNoNode) nodes_[node.next_sibling].previous_sibling = id;
    nodes_[parent].first_child = id;
    if (level == "+") nodes_[parent].plus = id;
    if (level == "#") nodes_[parent].pound = id;
    table_[empty_place(node.hash)] = id;
    bytes_ += cost(level);
    ++size_;
    return id;
  }

  void remove(NodeId id) {
    Node& node = nodes_[id];
    Node& parent = nodes_[node.parent];
    if (parent.plus == id) parent.plus = kNoNode;
    if (parent.pound == id) parent.pound = kNoNode;
    if (parent.first_child == id) parent.first_child = node.next_sibling;
    if (node.next_sibling != kNoNode) {
      nodes_[node.next_sibling].previous_sibling = node.previous_sibling;
    }
    if (node.previous_sibling != kNoNode) {
      nodes_[node.previous_sibling].next_sibling = node.next_sibling;
    }
    take_out(id);
    bytes_ -= cost(node.level);
    node = Node{};
    free_.push_back(id);
    --size_;
  }

  [[nodiscard]] std::size_t empty_place(std::uint32_t hash) const {
    std::size_t at = hash & mask();
    while (table_[at] != kNoNode) at = (at + 1) & mask();
    return at;
  }
  // Closes the gap by moving later entries of the same run back, so that no tombstone is needed.
  void take_out(NodeId id) {
    std::size_t gap = nodes_[id].hash & mask();
    while (table_[gap] != id) gap = (gap + 1) & mask();
    for (std::size_t at = (gap + 1) & mask(); table_[at] != kNoNode; at = (at + 1) & mask()) {
      const std::size_t home = nodes_[table_[at]].hash & mask();
      if (((at - home) & mask()) < ((at - gap) & mask())) continue;
      table_[gap] = table_[at];
      gap = at;
    }
    table_[gap] = kNoNode;
  }
  void grow_table() {
    std::vector<NodeId> larger(table_.size() * 2, kNoNode);
    const auto before = std::exchange(table_, std::move(larger));
    for (const NodeId id : before) {
      if (id != kNoNode) table_[empty_place(nodes_[id].hash)] = id;
    }
  }

  std::deque<Node> nodes_;
  std::vector<NodeId> free_;
  std::vector<NodeId> table_;
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace tg::broker
