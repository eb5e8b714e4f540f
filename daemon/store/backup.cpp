#include "daemon/store/backup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace tg::store {
namespace {

constexpr mode_t kMode = 0640;  // for the group too: tidegatectl takes it away

Error io_error(const std::filesystem::path& file) {
  return {ErrorCode::kIo, fmt::format("{}: {}", file.string(), std::strerror(errno))};
}

}  // namespace

Result<std::unique_ptr<Backup>> Backup::begin(Database& database, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::remove(to, error);
  UniqueFd fd(::open(to.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kMode));
  if (!fd.is_open() || ::fchmod(fd.get(), kMode) != 0) return tl::unexpected(io_error(to));
  auto copy = DatabaseCopy::begin(database, to);
  if (!copy) return tl::unexpected(copy.error());
  return std::unique_ptr<Backup>(new Backup(to, std::move(fd), std::move(*copy)));
}

Backup::~Backup() {
  std::error_code error;
  if (!is_complete_) std::filesystem::remove(file_, error);
}

Result<bool> Backup::step() {
  const auto complete = copy_.step(kPages);
  if (!complete) return complete;
  if (*complete) {
    if (auto done = copy_.finish(); !done) return tl::unexpected(done.error());
  }
  // Each step for itself: all of it at the end would hold up the commit that is next.
  if (::fdatasync(fd_.get()) != 0) return tl::unexpected(io_error(file_));
  is_complete_ = *complete;
  return complete;
}

}  // namespace tg::store
