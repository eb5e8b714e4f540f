#include "daemon/base/directory_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tg {

Result<DirectoryLock> DirectoryLock::take(const std::filesystem::path& folder) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.is_open() && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
    return DirectoryLock(std::move(fd));
  }
  if (errno == EWOULDBLOCK) {
    return fail(ErrorCode::kBusy,
                fmt::format("another process uses {}: stop it first", folder.string()));
  }
  return fail(errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: {}", folder.string(), std::strerror(errno)));
}

}  // namespace tg
