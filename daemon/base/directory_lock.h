// One process at a time in a folder: a lock of the kernel's on the folder itself, which goes with
// the process. Any thread.
#pragma once

#include <filesystem>
#include <utility>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace tg {

class DirectoryLock {
 public:
  // kBusy: another process, or another lock of this one, has it.
  static Result<DirectoryLock> take(const std::filesystem::path& folder);

 private:
  explicit DirectoryLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace tg
