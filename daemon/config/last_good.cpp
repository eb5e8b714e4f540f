#include "daemon/config/last_good.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include "daemon/base/unique_fd.h"
#include "daemon/config/table.h"

namespace tg::config {
namespace {

namespace fs = std::filesystem;

Result<void> io_error(const fs::path& path) {
  return fail(ErrorCode::kIo, fmt::format("{}: {}", path.string(), std::strerror(errno)));
}

Result<void> sync_folder(const fs::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) return io_error(folder);
  return {};
}

Result<void> write_synced(const fs::path& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (fd.get() < 0) return io_error(path);
  while (!text.empty()) {
    const ssize_t count = ::write(fd.get(), text.data(), text.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return io_error(path);
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return ::fsync(fd.get()) == 0 ? Result<void>() : io_error(path);
}

std::optional<std::string> read_file(const fs::path& path) {
  std::ifstream input(path);
  std::stringstream text;
  text << input.rdbuf();
  if (!input) return std::nullopt;
  return text.str();
}

std::string origin_of(const fs::path& file) {
  return fs::absolute(file).lexically_normal().string();
}

// Where a source lies in the copy.
fs::path place_in(const fs::path& copy, const fs::path& file, const Source& source) {
  if (source.file == file) return copy / file.filename();
  return copy / "conf.d" / source.file.filename();
}

std::size_t files_in(const fs::path& folder) {
  std::error_code error;
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".yaml") ++count;
  }
  return count;
}

bool is_current(const fs::path& copy, const fs::path& file, const LoadResult& loaded) {
  if (read_file(copy / "origin") != origin_of(file)) return false;
  for (const auto& source : loaded.sources) {
    if (read_file(place_in(copy, file, source)) != source.text) return false;
  }
  return files_in(copy / "conf.d") + 1 == loaded.sources.size();
}

Result<void> write_copy(const fs::path& copy, const fs::path& file, const LoadResult& loaded) {
  std::error_code error;
  fs::remove_all(copy, error);
  for (const auto& folder : {copy, copy / "conf.d"}) {
    if (::mkdir(folder.c_str(), 0700) != 0) return io_error(folder);
  }
  if (auto done = write_synced(copy / "origin", origin_of(file)); !done) return done;
  for (const auto& source : loaded.sources) {
    if (auto done = write_synced(place_in(copy, file, source), source.text); !done) return done;
  }
  if (auto done = sync_folder(copy / "conf.d"); !done) return done;
  return sync_folder(copy);
}

// The text after `data_dir:`, where the file is no YAML any more.
std::string scan_for_data_dir(const std::string& text) {
  constexpr std::string_view kKey = "data_dir:";
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) {
    const auto at = line.find(kKey);
    if (at == std::string::npos || line.find('#') < at) continue;
    const auto begin = line.find_first_not_of(" \"'", at + kKey.size());
    if (begin == std::string::npos) continue;
    return line.substr(begin, line.find_first_of(" \"',}#", begin) - begin);
  }
  return {};
}

}  // namespace

Result<void> save_last_good(const fs::path& file, const LoadResult& loaded,
                            const fs::path& data_dir) {
  const fs::path copy = data_dir / "last-good";
  const fs::path fresh = data_dir / "last-good.new";
  const fs::path old = data_dir / "last-good.old";
  if (is_current(copy, file, loaded)) return {};
  if (auto done = write_copy(fresh, file, loaded); !done) return done;
  std::error_code error;
  fs::remove_all(old, error);
  if (::rename(copy.c_str(), old.c_str()) != 0 && errno != ENOENT) return io_error(copy);
  if (::rename(fresh.c_str(), copy.c_str()) != 0) return io_error(fresh);
  auto done = sync_folder(data_dir);
  fs::remove_all(old, error);
  return done;
}

std::optional<LoadResult> load_last_good(const fs::path& file, const fs::path& data_dir) {
  // The old one is there alone after a crash between the two renames.
  for (const char* name : {"last-good", "last-good.old"}) {
    const fs::path copy = data_dir / name;
    if (read_file(copy / "origin") != origin_of(file)) continue;
    auto loaded = load(copy / file.filename(), fs::absolute(file).parent_path());
    if (loaded.config) return loaded;
  }
  return std::nullopt;
}

fs::path find_data_dir(const fs::path& file, const LoadResult& loaded) {
  std::string text;
  const Value* gateway = loaded.tree.find("gateway");
  const Value* written = gateway != nullptr ? gateway->find("data_dir") : nullptr;
  if (written != nullptr && written->is_scalar()) {
    text = written->scalar;
  } else if (!loaded.tree.is_map() && !loaded.sources.empty()) {
    text = scan_for_data_dir(loaded.sources.front().text);
  }
  if (!text.empty()) return fs::absolute(file).parent_path() / text;
  if (const char* state = std::getenv("STATE_DIRECTORY")) return state;
  return std::string(find_key("gateway.data_dir")->standard);
}

}  // namespace tg::config
