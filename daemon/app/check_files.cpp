#include "daemon/app/check_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/app/broker_config.h"
#include "daemon/base/log.h"
#include "daemon/config/validate.h"
#include "daemon/plugin_host/loader.h"
#include "local-broker/broker/transport/tls_context.h"

namespace tg::app {
namespace {

void add_contents(std::size_t& hash, const std::string& file) {
  std::ifstream input(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(input), {}};
  hash = hash * 31 + std::hash<std::string_view>()(text);
}

void check_uplink(config::LoadResult& loaded, config::Cloud& uplink, std::size_t index) {
  if (uplink.certificate.empty() && uplink.private_key.empty() && uplink.ca.empty()) return;
  const auto [section, path] = config::uplink_section(loaded.tree, index);
  for (auto& problem :
       broker::TlsContext::check({uplink.certificate, uplink.private_key, uplink.ca, ""})) {
    const bool is_of_ca = problem.key == "client_ca";
    if (!is_of_ca && uplink.certificate.empty()) continue;
    const std::string key = is_of_ca ? "ca" : problem.key;
    const config::Value* value = section->find(key);
    loaded.add_finding({(value != nullptr ? value : section)->place,
                        fmt::format("{}.{}", path, key), std::move(problem.message)},
                       problem.is_warning);
  }
  for (const auto& file : {uplink.certificate, uplink.private_key, uplink.ca}) {
    if (!file.empty()) add_contents(uplink.contents, file);
  }
}

void check_admin(config::LoadResult& loaded, const config::Config& config) {
  if (!config.admin_tls) return;
  const auto& [certificate, private_key] = *config.admin_tls;
  if (certificate.empty() || private_key.empty()) return;  // an error of the file's own
  for (auto& problem : broker::TlsContext::check({certificate, private_key})) {
    const std::string path = fmt::format("admin.tls.{}", problem.key);
    loaded.add_finding(
        {config::find_path(loaded.tree, path)->place, path, std::move(problem.message)},
        problem.is_warning);
  }
}

// A warning: they may be installed after the file is written.
void check_plugins(config::LoadResult& loaded, const config::Config& config) {
  const config::Value* processors = loaded.tree.find("processors");
  if (processors == nullptr) return;
  for (std::size_t i = 0; i < processors->list.size(); ++i) {
    const config::Value* plugin = processors->list[i].find("plugin");
    const config::Value* output = processors->list[i].find("output");
    const bool does_not_run = output != nullptr && output->is_map();
    if (plugin == nullptr || does_not_run) continue;
    const auto found = plugin_host::find_plugin(plugin->scalar, config.plugin_paths);
    if (found) continue;
    loaded.add_finding({plugin->place, fmt::format("processors[{}].plugin", i),
                        found.error().message + "; the gateway does not start without it"},
                       true);
  }
}

}  // namespace

void check_files(config::LoadResult& loaded) {
  config::Config* config = loaded.config_or_partial();
  if (config == nullptr) return;
  for (std::size_t i = 0; i < config->uplinks.size(); ++i) {
    check_uplink(loaded, config->uplinks[i], i);
  }
  check_plugins(loaded, *config);
  check_admin(loaded, *config);
  check_listener_files(loaded);
  if (!loaded.errors.empty()) loaded.config.reset();
}

void check_components(config::LoadResult& loaded) {
  const config::Value* log = loaded.tree.find("log");
  const config::Value* components = log != nullptr ? log->find("components") : nullptr;
  if (components == nullptr) return;
  const auto known = log::components();
  std::string all;
  for (const auto& component : known) all += (all.empty() ? "" : ", ") + component.name;
  for (const auto& [name, level] : components->map) {
    const auto has = [&name = name](const auto& component) { return component.name == name; };
    if (std::any_of(known.begin(), known.end(), has)) continue;
    loaded.warnings.push_back(
        {level.place, "log.components." + name, "there is no such component; there is: " + all});
  }
}

}  // namespace tg::app
