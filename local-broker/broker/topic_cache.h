// Topics that were published lately, with who is to get them. Sensors repeat their topics: a
// publish then costs one hash and one comparison, and its topic need not be validated again.
//
// An entry is current while its generation is that of the subscriptions. Entries are references
// until the next look-up. Limits: 48 k topics, 16 MiB; past them the cache starts anew.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/broker/session.h"

namespace tg::broker {

struct Target {
  Session* session = nullptr;
  std::uint8_t qos = 0;      // the highest of its matching filters
  std::uint8_t options = 0;  // of that filter
};

struct TopicEntry {
  std::uint64_t hash = 0;
  std::uint64_t generation = 0;  // 0 = never resolved
  std::string topic;
  std::vector<Target> targets;
};

class TopicCache {
 public:
  TopicCache() : table_(kFirstSize) {}

  // Null when the topic is not known.
  [[nodiscard]] TopicEntry* find(std::string_view topic);
  // Must not be known yet.
  TopicEntry& insert(std::string_view topic);
  // The entry's targets take this much more memory than before.
  void grew(std::size_t bytes) { bytes_ += bytes; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::size_t kFirstSize = 256;
  static constexpr std::size_t kLastSize = 65'536;
  static constexpr std::size_t kMaxBytes = 16U << 20U;

  [[nodiscard]] std::size_t place_for(std::uint64_t hash) const;
  void make_room();

  std::vector<std::unique_ptr<TopicEntry>> table_;  // open addressing
  std::size_t used_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace tg::broker
