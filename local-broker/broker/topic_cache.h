// Topics that were published lately, with who is to get them. Sensors repeat their topics: a
// publish then costs one hash and one comparison, and its topic need not be looked into again.
//
// An entry is current while its generation is that of the subscriptions. Entries are references
// until the next look-up. Limits: 48 k topics, `max_bytes`; past them the cache starts anew.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/broker/subscriptions.h"

namespace tg::broker {

struct Target {
  static constexpr std::uint8_t kNotOwn = 0xFF;

  Session* session = nullptr;
  std::uint8_t qos = 0;      // the highest of its matching filters
  std::uint8_t own_qos = 0;  // for what the session itself published; or kNotOwn
  bool retain_as_published = false;
  bool is_shared = false;  // by a shared subscription
  std::uint32_t ids = 0;   // index + 1 in TopicEntry::ids, 0 = none
};

// A subscription identifier that one target gets; they are chained.
struct TargetId {
  std::uint32_t subscription_id = 0;
  bool no_local = false;
  std::uint32_t next = 0;  // index + 1, 0 = the last
};

// One of them gets the message.
struct SharedTarget {
  Subscriptions::GroupPlace place{};
  std::vector<Target> members;
};

struct TopicEntry {
  std::uint64_t hash = 0;
  std::uint64_t generation = 0;  // 0 = never resolved
  std::string topic;
  std::uint32_t levels = 0;  // of the topic
  std::vector<Target> targets;
  std::vector<TargetId> ids;
  std::vector<SharedTarget> shared;
  bool is_kept = false;      // some of them are stored sessions and get QoS 1 or 2
  bool has_lasting = false;  // some of them are lasting sessions and get QoS 1 or 2
  std::size_t bytes = 0;     // of its lists, as counted

  [[nodiscard]] bool has_receivers() const { return !targets.empty() || !shared.empty(); }
};

class TopicCache {
 public:
  explicit TopicCache(std::size_t max_bytes) : max_bytes_(max_bytes), table_(kFirstSize) {}

  // Null when the topic is not known.
  [[nodiscard]] TopicEntry* find(std::string_view topic);
  // Must not be known yet.
  TopicEntry& insert(std::string_view topic);
  // The entry's lists have changed.
  void count(TopicEntry& entry);
  // The next list is one too many: insert() starts anew.
  [[nodiscard]] bool is_full() const { return bytes_ > max_bytes_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kFirstSize = 256;
  static constexpr std::size_t kLastSize = 65'536;

  [[nodiscard]] std::size_t place_for(std::uint64_t hash) const;
  void make_room();

  const std::size_t max_bytes_;
  std::vector<std::unique_ptr<TopicEntry>> table_;  // open addressing
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace tg::broker
