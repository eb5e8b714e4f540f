#include "daemon/app/wipe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "daemon/base/unique_fd.h"

namespace tg::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMark = "factory-reset";

Result<void> sync_folder(const fs::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.is_open() && ::fsync(fd.get()) == 0) return {};
  return fail(ErrorCode::kIo, fmt::format("{}: {}", folder.string(), std::strerror(errno)));
}

}  // namespace

Result<void> mark_for_wipe(const fs::path& data_dir) {
  const fs::path mark = data_dir / kMark;
  const UniqueFd fd(::open(mark.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open() || ::fsync(fd.get()) != 0) {
    return fail(ErrorCode::kIo, fmt::format("{}: {}", mark.string(), std::strerror(errno)));
  }
  return sync_folder(data_dir);
}

bool is_marked_for_wipe(const fs::path& data_dir) {
  std::error_code error;
  return fs::exists(data_dir / kMark, error);
}

Result<void> wipe(const fs::path& data_dir) {
  if (auto marked = mark_for_wipe(data_dir); !marked) return marked;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data_dir, error)) {
    const auto name = entry.path().filename();
    if (name == kMark || name == "lost+found") continue;
    std::error_code failed;
    fs::remove_all(entry.path(), failed);
    if (failed) {
      return fail(ErrorCode::kIo, fmt::format("{}: {}", entry.path().string(), failed.message()));
    }
  }
  if (error) return fail(ErrorCode::kIo, data_dir.string() + ": " + error.message());
  if (auto synced = sync_folder(data_dir); !synced) return synced;
  fs::remove(data_dir / kMark, error);
  return sync_folder(data_dir);
}

}  // namespace tg::app
