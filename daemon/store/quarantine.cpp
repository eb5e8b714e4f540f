#include "daemon/store/quarantine.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <string_view>
#include <system_error>

#include "daemon/base/unique_fd.h"

namespace tg::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "quarantine";
constexpr const char* kMark = "salvaged";
constexpr std::string_view kMagic{"SQLite format 3\0", 16};
constexpr std::size_t kPage = 4096;
constexpr std::size_t kPageCountAt = 28;  // of the first page, big-endian
constexpr std::size_t kFreelistAt = 32;   // first page and count

void put_big_endian(std::array<char, kPage>& page, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 4; i > 0; --i, value >>= 8) page[at + i - 1] = static_cast<char>(value);
}

void sync_folder(const fs::path& folder) {
  const UniqueFd file(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() >= 0) (void)::fsync(file.get());
}

// The oldest one: they are named after their time.
std::optional<fs::path> find_set(const fs::path& data_dir, bool salvaged) {
  std::error_code error;
  std::optional<fs::path> oldest;
  for (fs::directory_iterator at(data_dir / kFolder, error), end; !error && at != end;
       at.increment(error)) {
    if (fs::exists(at->path() / kMark, error) != salvaged) continue;
    if (!oldest || at->path() < *oldest) oldest = at->path();
  }
  return oldest;
}

fs::path new_set(const fs::path& folder, std::int64_t wall_ms) {
  const auto time =
      fmt::format("{:%Y%m%dT%H%M%SZ}", fmt::gmtime(static_cast<std::time_t>(wall_ms / 1000)));
  std::error_code error;
  fs::path set = folder / time;
  for (int i = 2; fs::exists(set, error); ++i) set = folder / fmt::format("{}-{}", time, i);
  return set;
}

}  // namespace

Result<fs::path> quarantine(const fs::path& file, std::int64_t wall_ms) {
  while (remove_salvaged_set(file.parent_path())) {
  }
  const fs::path set = new_set(file.parent_path() / kFolder, wall_ms);
  std::error_code error;
  fs::create_directories(set, error);
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot make {}: {}", set.string(), error.message()));
  }
  // The WAL first: a database without its WAL is noticed, a WAL without its database is deleted.
  for (const char* suffix : {"-wal", "-head", ""}) {
    const fs::path from = file.string() + suffix;
    if (!fs::exists(from, error)) continue;
    fs::rename(from, set / from.filename(), error);
    if (error) {
      return fail(ErrorCode::kIo,
                  fmt::format("cannot move {}: {}", from.string(), error.message()));
    }
  }
  fs::remove(file.string() + "-shm", error);
  sync_folder(set);
  sync_folder(file.parent_path());
  return set;
}

std::optional<fs::path> unsalvaged_set(const fs::path& data_dir) {
  return find_set(data_dir, false);
}

void mark_salvaged(const fs::path& set, const std::string& text) {
  std::ofstream(set / kMark) << text << '\n';
}

bool remove_salvaged_set(const fs::path& data_dir) {
  const auto set = find_set(data_dir, true);
  if (!set) return false;
  std::error_code error;
  return fs::remove_all(*set, error) > 0 && !error;
}

void mend_head(const fs::path& file) {
  const UniqueFd database(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  struct stat info {};
  if (database.get() < 0 || ::fstat(database.get(), &info) != 0) return;
  std::array<char, kPage> page{};
  const auto read_page = [&page](int descriptor) {
    return ::pread(descriptor, page.data(), page.size(), 0) == static_cast<ssize_t>(page.size()) &&
           std::string_view(page.data(), kMagic.size()) == kMagic;
  };
  if (!read_page(database.get())) {
    const UniqueFd head(::open((file.string() + "-head").c_str(), O_RDONLY | O_CLOEXEC));
    if (head.get() < 0 || !read_page(head.get())) return;
    // The copy is older than the file: how many pages there are, and which are free, has changed.
    put_big_endian(page, kPageCountAt, static_cast<std::uint32_t>(info.st_size / off_t{kPage}));
    put_big_endian(page, kFreelistAt, 0);
    put_big_endian(page, kFreelistAt + 4, 0);
    if (::pwrite(database.get(), page.data(), page.size(), 0) < 0) return;
  }
  off_t pages = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    pages = pages << 8 | static_cast<unsigned char>(page[kPageCountAt + i]);
  }
  const off_t size = pages * off_t{kPage};
  if (info.st_size < size) (void)!::ftruncate(database.get(), size);
}

}  // namespace tg::store
