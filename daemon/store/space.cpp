#include "daemon/store/space.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <system_error>

namespace tg::store {
namespace {

constexpr std::int64_t kMeasureMs = 1000;
constexpr std::uint64_t kChunkPages = Database::kChunk / kPageBytes;
constexpr std::uint64_t kSlackPages = 64;  // for the b-trees of deletes and cursors
constexpr std::size_t kMaxFiles = 10'000;

std::uint64_t round_up(std::uint64_t value, std::uint64_t step) {
  return (value + step - 1) / step * step;
}

// Bytes on the disk of all files below, but for one.
std::uint64_t bytes_below(const std::filesystem::path& directory,
                          const std::filesystem::path& without) {
  std::uint64_t sum = 0;
  std::size_t files = 0;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(directory, error);
  for (; !error && at != std::filesystem::recursive_directory_iterator() && files < kMaxFiles;
       at.increment(error), ++files) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    if (at->path() != without) sum += static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  return sum;
}

}  // namespace

Result<void> Space::prepare(Database& database, std::int64_t mono_ms) {
  database_ = &database;
  auto count = database.prepare("PRAGMA page_count");
  auto free = database.prepare("PRAGMA freelist_count");
  if (!count || !free) return tl::unexpected(database.error("prepare"));
  page_count_ = std::move(*count);
  freelist_count_ = std::move(*free);
  measured_ms_ = INT64_MIN / 2;
  const auto now = pages();  // reads, and so opens the WAL
  if (!now) return tl::unexpected(now.error());
  (void)database.allocate_wal(kWalBytes);  // without it a full disk takes longer to mend
  granted_pages_ = now->count;
  const auto set = database.exec(fmt::format("PRAGMA max_page_count={}", granted_pages_));
  if (!set) return set;
  const auto first = provide(kChunkPages / 2, mono_ms);
  if (!first) return tl::unexpected(first.error());
  return {};
}

void Space::forget() {
  page_count_ = {};
  freelist_count_ = {};
  database_ = nullptr;
}

Result<Space::Pages> Space::pages() {
  Pages now;
  for (auto [statement, target] :
       {std::pair{&page_count_, &now.count}, std::pair{&freelist_count_, &now.free}}) {
    const auto row = statement->step();
    if (!row) return tl::unexpected(row.error());
    *target = statement->integer(0);
    statement->reset();
  }
  return now;
}

void Space::measure(std::int64_t mono_ms) {
  if (mono_ms - measured_ms_ < kMeasureMs) return;
  measured_ms_ = mono_ms;
  others_bytes_ = bytes_below(directory_, directory_ / "streams.db");
  struct statvfs disk {};
  if (::statvfs(directory_.c_str(), &disk) != 0) return;
  disk_bytes_ = static_cast<std::uint64_t>(disk.f_blocks) * disk.f_frsize;
  disk_free_bytes_ = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
}

// Of streams.db, within the budget of the directory.
std::uint64_t Space::allowed_bytes() const {
  std::uint64_t limit = limits_.max_bytes;
  if (limits_.max_percent > 0) {
    limit = disk_bytes_ / 100 * static_cast<std::uint64_t>(limits_.max_percent);
  }
  if (limit == 0) return UINT64_MAX / 2;
  return limit - std::min(limit, others_bytes_);
}

Result<bool> Space::provide(std::uint64_t wanted, std::int64_t mono_ms) {
  const auto now = pages();
  if (!now) return tl::unexpected(now.error());
  const std::uint64_t need = wanted + kSlackPages;
  if (now->free + granted_pages_ >= now->count + need) {
    // A checkpoint may have taken back what lay beyond the last page.
    if (now->free >= need || database_->allocate(granted_pages_ * kPageBytes)) return true;
    cause_ = "disk_full";
    return false;
  }
  measure(mono_ms);
  const std::uint64_t target = round_up(now->count + need - now->free, kChunkPages);
  const std::uint64_t growth = (target - std::min(target, granted_pages_)) * kPageBytes;
  if (target * kPageBytes > allowed_bytes()) {
    cause_ = "store_max_size";
    return false;
  }
  if (disk_free_bytes_ < limits_.min_free + growth) {
    cause_ = limits_.min_free > 0 ? "store_min_free" : "disk_full";
    return false;
  }
  if (!database_->allocate(target * kPageBytes)) {
    cause_ = "disk_full";
    return false;
  }
  const auto set = database_->exec(fmt::format("PRAGMA max_page_count={}", target));
  if (!set) return tl::unexpected(set.error());
  granted_pages_ = target;
  disk_free_bytes_ -= std::min(disk_free_bytes_, growth);
  cause_ = "";
  return true;
}

Result<SpaceStatus> Space::status(std::int64_t mono_ms) {
  const auto now = pages();
  if (!now) return tl::unexpected(now.error());
  measure(mono_ms);
  SpaceStatus status;
  status.used_bytes = now->count * kPageBytes + others_bytes_;
  const std::uint64_t file = std::max(now->count, granted_pages_) * kPageBytes;
  const std::uint64_t allowed = allowed_bytes();
  status.limit_bytes = allowed == UINT64_MAX / 2 ? 0 : allowed + others_bytes_;
  const std::uint64_t spare = disk_free_bytes_ - std::min(disk_free_bytes_, limits_.min_free);
  const std::uint64_t growth = std::min(allowed - std::min(allowed, file), spare);
  const std::uint64_t inside =
      (now->free + std::max(now->count, granted_pages_) - now->count) * kPageBytes;
  const std::uint64_t room = inside + growth / Database::kChunk * Database::kChunk;
  status.room_bytes = room - std::min(room, kSlackPages * kPageBytes);
  return status;
}

}  // namespace tg::store
