// tidegatectl backup FILE: a copy of the store of the running daemon. tidegatectl restore FILE:
// puts such a copy in the place of the store of a daemon that does not run.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/clock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/config/last_good.h"
#include "daemon/config/load.h"
#include "daemon/store/replace.h"

namespace tg::ctl {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kLookAgain{200};
constexpr std::size_t kBlock = 256 * 1024;

Result<void> io_error(const fs::path& file) {
  return tg::fail(ErrorCode::kIo, fmt::format("{}: {}", file.string(), std::strerror(errno)));
}

Result<void> write_all(int fd, const char* data, std::size_t size, const fs::path& file) {
  while (size > 0) {
    const auto written = ::write(fd, data, size);
    if (written < 0) return io_error(file);
    data += written;
    size -= static_cast<std::size_t>(written);
  }
  return {};
}

Result<void> copy_bytes(const fs::path& from, int to_fd, const fs::path& to) {
  const UniqueFd source(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
  if (!source.is_open()) return io_error(from);
  std::vector<char> block(kBlock);
  for (;;) {
    const auto count = ::read(source.get(), block.data(), block.size());
    if (count < 0) return io_error(from);
    if (count == 0) break;
    const auto done = write_all(to_fd, block.data(), static_cast<std::size_t>(count), to);
    if (!done) return done;
  }
  return ::fsync(to_fd) == 0 ? Result<void>() : io_error(to);
}

// The daemon's copy, once it is ready; empty when that has been said not to be.
std::string wait_for_copy(Context& context) {
  auto status = context.call("POST", "/api/v1/backup");
  while (status && text(*status, "state") == "copying") {
    std::this_thread::sleep_for(kLookAgain);
    status = context.get("/api/v1/backup");
  }
  if (!status) return {};
  if (text(*status, "state") == "ready") return text(*status, "file");
  context.fail(kRefused, fmt::format("the backup failed: {}", text(*status, "error")));
  return {};
}

void backup(Context& context, const std::string& file) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.is_open()) return context.fail(kRefused, io_error(file).error().message);
  std::error_code error;
  const std::string copy = wait_for_copy(context);
  if (copy.empty()) {
    fs::remove(file, error);
    return;
  }
  const auto done = copy_bytes(copy, fd.get(), file);
  static_cast<void>(context.request("DELETE", "/api/v1/backup"));
  if (!done) {
    fs::remove(file, error);
    return context.fail(kRefused, done.error().message);
  }
  context.print(Json{{"file", file}, {"bytes", fs::file_size(file, error)}}, [](const Json& made) {
    return fmt::format("{}: {}\n", text(made, "file"), size_text(number(made, "bytes")));
  });
}

std::string restored_text(const Json& done) {
  std::string out =
      fmt::format("{} is restored; epoch {} begins\n", text(done, "data_dir"), text(done, "epoch"));
  const std::string old = text(done, "old");
  if (!old.empty()) {
    out += fmt::format("what was there lies in {} until its room is needed\n", old);
  }
  return out;
}

void restore(Context& context, const std::string& file, const std::string& config_file) {
  if (context.request("GET", "/healthz").error.empty()) {
    return context.fail(kRefused, "the daemon runs: stop it first (systemctl stop tidegate)");
  }
  const auto loaded = config::load(config_file);
  const auto data_dir = config::find_data_dir(config_file, loaded);
  const auto done = store::replace_database(data_dir, file, SystemClock().now().wall_ms);
  if (!done) return context.fail(kRefused, done.error().message);
  context.print(
      Json{{"data_dir", data_dir.string()}, {"epoch", done->epoch}, {"old", done->old.string()}},
      restored_text);
}

}  // namespace

void add_backup(CLI::App& app, Context& context) {
  auto* backup_command =
      app.add_subcommand("backup", "copy the store into a file while the daemon runs");
  const auto file = std::make_shared<std::string>();
  backup_command->add_option("file", *file, "file to write; it must not be there yet")->required();
  backup_command->callback([&context, file] { backup(context, *file); });

  auto* restore_command =
      app.add_subcommand("restore", "put a backup in the place of the store of a stopped daemon");
  const auto source = std::make_shared<std::string>();
  const auto config_file = std::make_shared<std::string>("/etc/tidegate/tidegate.yaml");
  restore_command->add_option("file", *source, "what backup has written")->required();
  restore_command->add_option("--config", *config_file, "tells the data directory")
      ->capture_default_str();
  restore_command->callback(
      [&context, source, config_file] { restore(context, *source, *config_file); });
}

}  // namespace tg::ctl
