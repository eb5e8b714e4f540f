// How much streams.db may grow: one budget over all files of the data directory, WAL and
// quarantine included, and what is to be left to others.
//
// The pages that a transaction may use have blocks on the disk before it begins: the file is
// extended ahead in steps of Database::kChunk and max_page_count ends at what is there. The WAL
// gets its blocks once and is never truncated. So a commit does not run into a full disk half way,
// and a disk that others have filled can still evict: deletes overwrite blocks that the files have
// (ext4, xfs, vfat; not on file systems that copy on write).
//
// Thread: the store thread, and the loop before that thread runs.
#pragma once

#include <cstdint>
#include <filesystem>

#include "daemon/base/result.h"
#include "daemon/store/sqlite.h"
#include "daemon/store/store.h"

namespace tg::store {

inline constexpr std::uint64_t kPageBytes = 4096;
inline constexpr std::uint64_t kWalBytes = 8 << 20;  // twice what a checkpoint waits for

class Space {
 public:
  Space(std::filesystem::path directory, SpaceLimits limits)
      : directory_(std::move(directory)), limits_(limits) {}

  // After each opening of the database. A disk that is full is no error here.
  Result<void> prepare(Database& database, std::int64_t mono_ms);

  // Before the database is closed.
  void forget();

  // True when the transaction that is open, or the next, can have that many pages.
  Result<bool> provide(std::uint64_t pages, std::int64_t mono_ms);

  // Files have gone.
  void measure_anew() { measured_ms_ = INT64_MIN / 2; }

  // Why provide() said no: store_max_size | store_min_free | disk_full.
  [[nodiscard]] const char* cause() const { return cause_; }

  // What could still be stored without deleting anything, about.
  [[nodiscard]] Result<SpaceStatus> status(std::int64_t mono_ms);

 private:
  struct Pages {
    std::uint64_t count = 0;
    std::uint64_t free = 0;
  };

  Result<Pages> pages();
  void measure(std::int64_t mono_ms);
  [[nodiscard]] std::uint64_t allowed_bytes() const;

  const std::filesystem::path directory_;
  const SpaceLimits limits_;

  Database* database_ = nullptr;
  Statement page_count_;
  Statement freelist_count_;
  std::uint64_t granted_pages_ = 0;  // max_page_count
  const char* cause_ = "";

  // Measured at most once a second.
  std::int64_t measured_ms_ = INT64_MIN / 2;
  std::uint64_t others_bytes_ = 0;  // all files of the directory but streams.db
  std::uint64_t disk_bytes_ = 0;
  std::uint64_t disk_free_bytes_ = 0;
};

}  // namespace tg::store
