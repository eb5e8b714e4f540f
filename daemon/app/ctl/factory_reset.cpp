// tidegatectl factory-reset: wipes data, keys and state, through the daemon or, when it does not
// run, by itself.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/app/wipe.h"
#include "daemon/base/directory_lock.h"
#include "daemon/config/last_good.h"
#include "daemon/config/load.h"

namespace tg::ctl {
namespace {

struct Options {
  bool is_sure = false;
  std::string config_file = "/etc/tidegate/tidegate.yaml";
};

bool is_confirmed(const Options& options, const std::string& what) {
  if (options.is_sure) return true;
  fmt::print(stderr,
             "This wipes {}: unsent records, sessions, keys, state. It cannot be undone.\n"
             "Type yes to go on: ",
             what);
  std::string answer;
  return std::getline(std::cin, answer) && answer == "yes";
}

std::string done_text(const Json& document) {
  return fmt::format("{} is wiped\n", text(document, "data_dir"));
}

void reset_by_daemon(Context& context, const Options& options, const Reply& status) {
  const auto document = context.take(status);
  if (!document) return;
  const std::string id = text(*document, "gateway");
  if (!is_confirmed(options, "gateway " + id)) return context.fail(kRefused, "nothing is changed");
  const auto reset = context.call("POST", "/api/v1/factory-reset", id);
  if (reset) context.print(*reset, done_text);
}

void reset_by_hand(Context& context, const Options& options) {
  const auto loaded = config::load(options.config_file);
  const auto data_dir = config::find_data_dir(options.config_file, loaded);
  if (!std::filesystem::is_directory(data_dir)) {
    return context.fail(kRefused, fmt::format("{} is no directory", data_dir.string()));
  }
  const auto lock = DirectoryLock::take(data_dir);
  if (!lock && lock.error().code != ErrorCode::kBusy) {
    return context.fail(kRefused, lock.error().message);
  }
  if (!lock) {
    return context.fail(kRefused,
                        fmt::format("a daemon that does not answer on {} has {} open; stop it, or "
                                    "name its socket with --socket",
                                    context.socket, data_dir.string()));
  }
  if (!is_confirmed(options, data_dir.string())) {
    return context.fail(kRefused, "nothing is changed");
  }
  if (const auto wiped = app::wipe(data_dir); !wiped) {
    return context.fail(kRefused, wiped.error().message);
  }
  context.print(Json{{"data_dir", data_dir.string()}}, done_text);
}

}  // namespace

void add_factory_reset(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand("factory-reset",
                                     "wipe data, keys and state; the configuration in /etc stays");
  const auto options = std::make_shared<Options>();
  command->add_flag("--yes", options->is_sure, "do not ask");
  command
      ->add_option("--config", options->config_file,
                   "tells the data directory when the daemon does not run")
      ->capture_default_str();
  command->callback([&context, options] {
    const Reply status = context.request("GET", "/api/v1/status");
    if (status.error.empty()) return reset_by_daemon(context, *options, status);
    reset_by_hand(context, *options);
  });
}

}  // namespace tg::ctl
