// tidegated: the gateway daemon. See exit_codes.h for what it returns.
#include <fmt/format.h>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "daemon/app/check_files.h"
#include "daemon/app/describe.h"
#include "daemon/app/describe_keys.h"
#include "daemon/app/exit_codes.h"
#include "daemon/app/gateway.h"
#include "daemon/app/version.h"
#include "daemon/app/wipe.h"
#include "daemon/base/directory_lock.h"
#include "daemon/base/log.h"
#include "daemon/config/last_good.h"
#include "daemon/config/load.h"
#include "daemon/store/migrations.h"
#include "daemon/store/unread.h"

namespace {

using namespace tg;

const log::Component kLog{"main"};

void print_problems(const config::LoadResult& loaded, std::FILE* to) {
  for (const auto& problem : loaded.warnings) {
    fmt::print(to, "warning: {}\n", problem.text());
  }
  for (const auto& problem : loaded.errors) fmt::print(to, "error: {}\n", problem.text());
}

int check(const config::LoadResult& loaded, const std::string& file) {
  print_problems(loaded, stderr);
  if (!loaded.errors.empty()) {
    fmt::print(stderr, "{}: {} error(s), {} warning(s)\n", file, loaded.errors.size(),
               loaded.warnings.size());
    return app::kExitConfig;
  }
  fmt::print("{}: valid\n", file);
  return app::kExitOk;
}

// The file, or what ran last when it is invalid; nothing when there is neither.
std::optional<app::ConfigOrigin> origin_of(config::LoadResult loaded, const std::string& file) {
  for (const auto& problem : loaded.warnings) log::warning(kLog, "{}", problem.text());
  if (loaded.config) return app::ConfigOrigin{file, std::move(loaded), {}};
  for (const auto& problem : loaded.errors) log::error(kLog, "{}", problem.text());
  auto last_good = config::load_last_good(file, config::find_data_dir(file, loaded));
  if (!last_good) {
    log::error(kLog, "{} is invalid; not started. Check with: tidegated --check-config --config {}",
               file, file);
    return std::nullopt;
  }
  log::error(kLog,
             "{} is invalid: the last good configuration runs instead, until the file is mended "
             "and reloaded",
             file);
  return app::ConfigOrigin{file, std::move(*last_good), loaded.errors.front().text()};
}

// True when it is to begin anew.
Result<bool> run_gateway(app::ConfigOrigin origin) {
  const std::string data_dir = origin.loaded.config->data_dir;
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error)
    return fail(ErrorCode::kIo,
                fmt::format("cannot make the data directory {}: {}", data_dir, error.message()));
  // Before anything is touched: another daemon may be at work there.
  const auto lock = DirectoryLock::take(data_dir);
  if (!lock) return tl::unexpected(lock.error());
  if (app::is_marked_for_wipe(data_dir)) {
    if (auto wiped = app::wipe(data_dir); !wiped) return tl::unexpected(wiped.error());
    log::warning(kLog, "factory reset: {} is wiped", data_dir);
  }
  app::Gateway gateway(std::move(origin));
  if (const auto started = gateway.start(); !started) return tl::unexpected(started.error());
  gateway.run();
  return gateway.starts_again();
}

int run(config::LoadResult loaded, const std::string& file, char** argv) {
  auto origin = origin_of(std::move(loaded), file);
  if (!origin) return app::kExitConfig;
  const auto ended = run_gateway(std::move(*origin));
  if (!ended) {
    log::error(kLog, "could not start: {}", ended.error().message);
    return app::kExitStart;
  }
  if (!*ended) return app::kExitOk;
  ::execv("/proc/self/exe", argv);  // the same process for systemd
  log::error(kLog, "could not begin anew: {}", std::strerror(errno));
  return app::kExitInternal;
}

// What the package's scripts and the build ask; not for operators, so not in --help.
struct PackageQuestions {
  bool keys = false;
  bool schema = false;
  std::string unread;  // a data directory

  void add_to(CLI::App& app) {
    app.add_flag("--describe-keys", keys)->group("");
    app.add_flag("--schema", schema)->group("");
    app.add_option("--unread", unread)->group("");
  }

  [[nodiscard]] bool is_asked() const { return keys || schema || !unread.empty(); }

  [[nodiscard]] int answer() const {
    if (keys) fmt::print("{}\n", app::describe_keys());
    if (schema) fmt::print("{}\n", store::schema_version());
    if (unread.empty()) return app::kExitOk;
    const auto count = store::count_unread(unread);
    if (!count) {
      fmt::print(stderr, "tidegated: {}: {}\n", unread, count.error().message);
      return app::kExitStart;
    }
    fmt::print("{}\n", *count);
    return app::kExitOk;
  }
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Tidegate edge gateway daemon"};
  std::string file = "/etc/tidegate/tidegate.yaml";
  bool check_only = false;
  app.add_option("--config", file, "configuration file")->capture_default_str();
  app.add_flag("--check-config", check_only, "name every error in the configuration and exit");
  app.set_version_flag("--version", std::string("tidegated ") + app::kVersion);
  // `--check-config FILE` reads as `--config FILE --check-config`.
  std::string checked_file;
  app.add_option("file", checked_file, "file for --check-config");
  PackageQuestions questions;
  questions.add_to(app);
  if (app::was_described(app, "tidegated", argc, argv)) return app::kExitOk;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? app::kExitOk : app::kExitUsage;
  }
  if (questions.is_asked()) return questions.answer();
  if (!checked_file.empty()) {
    if (!check_only) {
      fmt::print(stderr, "tidegated: {}: use --config FILE\n", checked_file);
      return app::kExitUsage;
    }
    file = checked_file;
  }
  std::signal(SIGPIPE, SIG_IGN);
  try {
    auto loaded = config::load(file);
    app::check_files(loaded);
    app::check_components(loaded);
    return check_only ? check(loaded, file) : run(std::move(loaded), file, argv);
  } catch (const std::exception& error) {
    log::error(kLog, "internal error: {}", error.what());
    return app::kExitInternal;
  }
}
