#include "local-broker/broker/topic_cache.h"

#include <utility>

#include "local-broker/broker/hash.h"
#include "local-broker/mqtt/topic.h"

namespace tg::broker {

TopicEntry* TopicCache::find(std::string_view topic) {
  const std::uint64_t hash = hash_bytes(topic);
  const std::size_t mask = table_.size() - 1;
  for (std::size_t at = hash & mask; table_[at]; at = (at + 1) & mask) {
    TopicEntry& entry = *table_[at];
    if (entry.hash == hash && entry.topic == topic) return &entry;
  }
  return nullptr;
}

TopicEntry& TopicCache::insert(std::string_view topic) {
  make_room();
  auto owned = std::make_unique<TopicEntry>();
  TopicEntry& entry = *owned;
  entry.hash = hash_bytes(topic);
  entry.topic = topic;
  entry.levels = static_cast<std::uint32_t>(mqtt::level_count(topic));
  table_[place_for(entry.hash)] = std::move(owned);
  ++used_;
  bytes_ += sizeof(TopicEntry) + topic.size();
  return entry;
}

void TopicCache::count(TopicEntry& entry) {
  std::size_t bytes =
      entry.targets.capacity() * sizeof(Target) + entry.ids.capacity() * sizeof(TargetId);
  for (const SharedTarget& shared : entry.shared) {
    bytes += sizeof(SharedTarget) + shared.members.capacity() * sizeof(Target);
  }
  bytes_ += bytes - entry.bytes;
  entry.bytes = bytes;
}

std::size_t TopicCache::place_for(std::uint64_t hash) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = hash & mask;
  while (table_[at]) at = (at + 1) & mask;
  return at;
}

void TopicCache::make_room() {
  if (is_full() || (used_ >= kLastSize / 4 * 3)) {
    table_.clear();
    table_.resize(kFirstSize);
    used_ = bytes_ = 0;
    return;
  }
  if (used_ < table_.size() / 4 * 3) return;
  auto before = std::exchange(table_, {});
  table_.resize(before.size() * 2);
  for (auto& entry : before) {
    if (!entry) continue;
    const std::size_t place = place_for(entry->hash);
    table_[place] = std::move(entry);
  }
}

}  // namespace tg::broker
