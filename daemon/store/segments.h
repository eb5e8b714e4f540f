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
#include <map>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/group.h"
#include "daemon/store/schema.h"
#include "daemon/store/segment_codec.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

// wall - mono of a boot, by its index, once its clock was synchronised.
using BootOffsets = std::map<std::uint32_t, std::int64_t>;

class Segments {
 public:
  // The codec outlives the segments.
  static Result<Segments> load(Database& database, StreamRow row, std::uint32_t boot,
                               SegmentCodec& codec, bool compress);

  // Drafts that lie before next() are there already (a commit that succeeded but was reported as
  // failed) and are skipped.
  Result<void> append(const SegmentDraft& draft);
  // Gives a draft's sequence numbers up: there is no room for its records.
  void skip(const SegmentDraft& draft, const char* reason);
  // Merges what the last append made mergeable.
  Result<void> merge_tail();

  // Deletes whole segments from the front that end at or before `until`, at most 64.
  // True when there may be more.
  Result<bool> drop_passed(Seq until);
  // Deletes whole segments from the front until at least `need` bytes are gone, at most 64.
  Result<std::uint64_t> evict_bytes(std::uint64_t need, const char* reason);
  // Deletes segments whose last record is older than max_age_ms, at most 64; nothing while the
  // clock is not synchronised. Within this boot the monotonic clock says how old a record is;
  // across boots the wall clock, if what it says is plausible.
  Result<std::uint64_t> evict_age(std::int64_t max_age_ms, const Timestamp& now,
                                  const BootOffsets& offsets);

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
    std::size_t bytes;  // of its records; what is compressed counts less after loading
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

  Segments(Database& database, StreamRow row, std::uint32_t boot, SegmentCodec& codec,
           bool compress)
      : database_(&database),
        codec_(&codec),
        row_(std::move(row)),
        boot_(boot),
        compress_(compress) {}

  [[nodiscard]] std::int64_t age_of(const Front& segment, const Timestamp& now,
                                    const BootOffsets& offsets) const;
  Result<void> prepare();
  Result<void> load_tail();
  Result<std::vector<Front>> read_front();
  Result<void> drop_front(const std::vector<Front>& dropped);
  Result<void> refresh_front();
  Result<void> merge_last(std::size_t count);
  Result<std::string> read_tail(std::size_t begin);
  // Encodes the records, binds them to insert_ and runs it; their size on disk.
  Result<std::size_t> insert(Seq first, std::uint64_t count, std::string_view records);

  Database* database_;
  SegmentCodec* codec_;
  StreamRow row_;
  std::uint32_t boot_;
  bool compress_;
  bool changed_ = false;
  Seq front_end_ = 0;  // end of the first segment; 0 = empty
  Front front_{};      // the first segment, when there is one
  std::int64_t oldest_wall_ms_ = 0;
  std::uint64_t merged_bytes_ = 0;  // on disk, of what read_tail() has joined
  std::vector<TailSegment> tail_;   // adjacent, oldest first, all below the last tier

  Statement insert_;
  Statement delete_below_;
  Statement delete_range_;
  Statement select_front_;
  Statement select_blob_;
  Statement update_;
};

}  // namespace tg::store
