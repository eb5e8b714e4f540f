#include "plugins/archive/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

#include "plugins/archive/frames.h"

namespace archive {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".jsonl.zst";
constexpr std::size_t kDigits = 9;
constexpr const char* kTimeFormat = "%Y%m%dT%H%M%SZ";

[[noreturn]] void fail(const char* action, const fs::path& path) {
  throw std::system_error(errno, std::generic_category(),
                          std::string(action) + ' ' + path.string());
}

std::string time_text(std::int64_t time_ms) {
  const auto seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  return {text, std::strftime(text, sizeof text, kTimeFormat, &parts)};
}

// The inverse; -1 when it is none.
std::int64_t time_of(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), kTimeFormat, &parts);
  return end != nullptr && *end == '\0' ? std::int64_t{::timegm(&parts)} * 1000 : -1;
}

void sync_directory(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail("opening", path);
  const int rc = ::fsync(fd);
  ::close(fd);
  if (rc != 0) fail("syncing", path);
}

}  // namespace

Files::Files(fs::path directory, std::string name, Limits limits)
    : directory_(std::move(directory)), name_(std::move(name)), limits_(limits) {}

Files::~Files() { close(); }

void Files::append(std::string_view frame, std::int64_t now_ms) {
  if (fd_ >= 0 && is_gone()) {
    close();
    has_looked_ = false;
  }
  if (!has_looked_) look();
  const bool is_full = current_.size + frame.size() > limits_.max_file_size;
  if (fd_ >= 0 && current_.size > 0 && (is_full || is_old(now_ms))) finish();
  make_room(frame.size());
  if (fd_ < 0) create(now_ms);
  write(frame);
}

void Files::finish_if_old(std::int64_t now_ms) {
  if (fd_ >= 0 && is_old(now_ms)) finish();
}

std::int64_t Files::due_ms() const {
  return fd_ >= 0 ? current_.started_ms + limits_.max_file_age_ms : 0;
}

bool Files::is_old(std::int64_t now_ms) const { return now_ms >= due_ms(); }

// Somebody has deleted it: what is written to it would be lost.
bool Files::is_gone() const {
  struct stat found {};
  return ::fstat(fd_, &found) != 0 || found.st_nlink == 0;
}

void Files::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

// Its own files, and the last of them as the current one.
void Files::look() {
  // Only the last level: what lies on a file system that is not mounted is not made beside it.
  fs::create_directory(directory_);
  finished_.clear();
  current_ = {};
  const std::string prefix = name_ + '-';
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const std::string file = entry.path().filename().string();
    if (!file.starts_with(prefix) || !file.ends_with(kSuffix)) continue;
    const std::string middle =
        file.substr(prefix.size(), file.size() - prefix.size() - kSuffix.size());
    if (middle.size() < kDigits + 1 || middle[kDigits] != '-' ||
        middle.find_first_not_of("0123456789") != kDigits) {
      continue;
    }
    const std::int64_t started_ms = time_of(middle.substr(kDigits + 1));
    if (started_ms < 0) continue;
    finished_.push_back(
        {std::stoull(middle.substr(0, kDigits)), entry.path(), entry.file_size(), started_ms});
  }
  std::sort(finished_.begin(), finished_.end(),
            [](const File& one, const File& other) { return one.number < other.number; });
  if (!finished_.empty()) resume();
  has_looked_ = true;
}

void Files::resume() {
  File last = finished_.back();
  const int fd = ::open(last.path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) fail("opening", last.path);
  fd_ = fd;
  try {
    last.size = sound_size(fd);
    if (::ftruncate(fd, static_cast<off_t>(last.size)) != 0) fail("cutting", last.path);
    sync_directory(directory_);  // its maker may not have come to that
  } catch (...) {
    close();
    throw;
  }
  finished_.pop_back();
  last_number_ = last.number;
  current_ = std::move(last);
}

void Files::create(std::int64_t now_ms) {
  char number[32];
  std::snprintf(number, sizeof number, "-%09llu-",
                static_cast<unsigned long long>(last_number_) + 1);
  const fs::path path = directory_ / (name_ + number + time_text(now_ms) + std::string(kSuffix));
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
  if (fd < 0) fail("making", path);
  fd_ = fd;
  try {
    sync_directory(directory_);
  } catch (...) {
    close();
    ::unlink(path.c_str());
    throw;
  }
  current_ = {++last_number_, path, 0, now_ms};
}

void Files::finish() {
  close();
  finished_.push_back(std::exchange(current_, {}));
}

void Files::make_room(std::uint64_t size) {
  std::uint64_t total = current_.size + size;
  for (const File& file : finished_) total += file.size;
  while (total > limits_.max_total_size && !finished_.empty()) {
    const File& oldest = finished_.front();
    if (::unlink(oldest.path.c_str()) != 0 && errno != ENOENT) fail("deleting", oldest.path);
    total -= oldest.size;
    finished_.pop_front();
  }
}

void Files::write(std::string_view frame) {
  std::size_t done = 0;
  const char* action = "writing";
  bool ok = true;
  while (ok && done < frame.size()) {
    const ssize_t count = ::pwrite(fd_, frame.data() + done, frame.size() - done,
                                   static_cast<off_t>(current_.size + done));
    if (count < 0 && errno == EINTR) continue;
    ok = count >= 0;
    if (ok) done += static_cast<std::size_t>(count);
  }
  if (ok) {
    action = "syncing";
    ok = ::fdatasync(fd_) == 0;
  }
  if (ok) {
    current_.size += frame.size();
    return;
  }
  const int error = errno;
  // A frame that is torn, or of which nobody knows whether it is there, must not be followed by
  // another; where it cannot be cut off, the file is looked at anew.
  if (::ftruncate(fd_, static_cast<off_t>(current_.size)) != 0) {
    close();
    has_looked_ = false;
  }
  errno = error;
  fail(action, current_.path);
}

}  // namespace archive
