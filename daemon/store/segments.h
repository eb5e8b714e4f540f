// The segments of one stream, as the store thread sees them: append, delete from the front, merge
// at the tail. Every change is made inside the caller's transaction; after a failed one the object
// is thrown away and loaded anew.
//
// RAM: a summary and the tail's small segments (at most kMaxTail), however long the stream is.
// Merging: like a counter with base 16. Sixteen adjacent segments of one tier become one of the
// next
//   tier, until they hold half of kSegmentBytes; so a trickle's record is rewritten two or three
//   times and a month of one-record commits does not become millions of rows.
//
// Thread: the store thread (and the loop before it runs).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/group.h"
#include "daemon/store/schema.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

class Segments {
 public:
  static Result<Segments> load(Database& database, StreamRow row, std::uint32_t boot);

  // Drafts that lie before next() are there already (a commit that succeeded but was reported as
  // failed) and are skipped.
  Result<void> append(const SegmentDraft& draft);
  // Merges what the last append made mergeable.
  Result<void> merge_tail();

  // Deletes whole segments from the front that end at or before `until`, at most 64.
  // True when there may be more.
  Result<bool> drop_passed(Seq until);
  // Deletes whole segments from the front until at least `need` bytes are gone, at most 64.
  Result<std::uint64_t> evict_bytes(std::uint64_t need, const char* reason);
  // Deletes segments whose last record is older than max_age_ms, at most 64; nothing while the
  // clock is not to be trusted.
  Result<std::uint64_t> evict_age(std::int64_t max_age_ms, const Timestamp& now);

  // Writes the summary when it has changed.
  Result<void> save();

  [[nodiscard]] Seq first() const { return row_.first; }
  [[nodiscard]] Seq next() const { return row_.next; }
  [[nodiscard]] std::uint64_t bytes() const { return row_.bytes; }
  [[nodiscard]] const std::string& evicted_reason() const { return row_.evicted_reason; }
  // Wall time of the oldest record; 0 when empty.
  [[nodiscard]] std::int64_t oldest_wall_ms() const { return oldest_wall_ms_; }

 private:
  static constexpr std::size_t kMergeCount = 16;
  static constexpr std::size_t kMaxTail = 64;
  static constexpr std::size_t kMaxDrop = 64;            // segments per transaction
  static constexpr std::uint64_t kSegmentOverhead = 64;  // of a row, about

  struct TailSegment {
    Seq first;
    std::uint32_t count;
    std::size_t bytes;
    std::uint32_t tier;
  };
  struct Front {  // of one segment at the front
    Seq first;
    Seq end;
    std::uint64_t bytes;
    std::int64_t last_wall_ms;
    std::uint32_t last_boot;
    std::int64_t last_mono_ms;
  };

  Segments(Database& database, StreamRow row, std::uint32_t boot)
      : database_(&database), row_(std::move(row)), boot_(boot) {}

  Result<void> prepare();
  Result<void> load_tail();
  Result<std::vector<Front>> read_front();
  Result<void> drop_front(const std::vector<Front>& dropped);
  Result<void> refresh_front();
  Result<void> merge_last(std::size_t count);
  Result<std::string> read_tail(std::size_t begin);

  Database* database_;
  StreamRow row_;
  std::uint32_t boot_;
  bool changed_ = false;
  Seq front_end_ = 0;  // end of the first segment; 0 = empty
  std::int64_t oldest_wall_ms_ = 0;
  std::vector<TailSegment> tail_;  // adjacent, oldest first, all below the last tier

  Statement insert_;
  Statement delete_below_;
  Statement delete_range_;
  Statement select_front_;
  Statement select_blob_;
  Statement update_;
};

}  // namespace tg::store
