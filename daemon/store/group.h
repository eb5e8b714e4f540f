// What is committed in one transaction. Filled by the loop, then handed to the store thread whole;
// only one of the two holds it at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/store/broker_state.h"
#include "daemon/store/store.h"

namespace tg::store {

inline constexpr std::size_t kSegmentBytes = 64 * 1024;  // about the largest segment

struct SegmentDraft {
  Seq first = 0;
  std::uint32_t count = 0;
  std::int64_t first_wall_ms = 0;
  std::int64_t last_wall_ms = 0;
  std::int64_t last_mono_ms = 0;
  std::string records;
  bool closed = false;  // was in a commit that failed: nothing is added to it any more
};

struct StatePut {
  std::string owner;
  std::string key;
  std::string value;  // empty = delete
};

struct ReaderChange {
  enum class Kind : std::uint8_t { kDiscard, kPause, kResume };
  Kind kind = Kind::kPause;
  std::string stream;
  std::string name;
};

struct Opened;

// After a commit whose outcome was unclear a group may be applied a second time: what is in it must
// bear that.
struct Group {
  std::shared_ptr<const StoreOptions> options;      // new ones, taken over before all else
  std::vector<std::vector<SegmentDraft>> segments;  // by StreamId
  std::vector<Seq> positions;                       // by ReaderId; where each reader stands now
  bool positions_changed = false;
  std::vector<ReaderChange> reader_changes;
  std::vector<StatePut> state;
  BrokerChanges broker;
  std::vector<Token> tokens;
  std::vector<Task> tasks;
  std::size_t bytes = 0;      // of segments
  std::string damaged_epoch;  // of the database that is to be replaced, because reading it fails
  bool maintenance = false;   // commit even without anything new: retention by age
  Timestamp now;              // when it was handed over

  [[nodiscard]] std::size_t size() const { return bytes + broker.bytes(); }
  [[nodiscard]] bool is_empty() const {
    return options == nullptr && damaged_epoch.empty() && bytes == 0 && reader_changes.empty() &&
           !maintenance && !positions_changed && state.empty() && broker.empty() &&
           tokens.empty() && tasks.empty();
  }

  // Takes in the group that came after it, when this one could not be committed.
  void absorb(Group&& later);
};

struct Eviction {
  const char* reason = "";
  std::uint64_t records = 0;
};

// What the store thread tells the loop after a commit.
struct Committed {
  struct Stream {
    Seq first = 1;
    Seq next = 1;
    std::uint64_t bytes = 0;
    std::int64_t oldest_wall_ms = 0;
    std::string evicted_reason;     // the last one, ever
    std::vector<Eviction> evicted;  // in this commit
  };
  std::vector<Stream> streams;        // by StreamId
  std::vector<std::uint64_t> missed;  // by ReaderId: records evicted before it had passed them
  SpaceStatus space;
  std::shared_ptr<const Opened> opened;  // after a group with options, and after `quarantined`
  std::filesystem::path quarantined;     // where a damaged database is now
  std::unique_ptr<Group> group;
  std::int64_t duration_us = 0;
  bool more_to_delete = false;
};

}  // namespace tg::store
