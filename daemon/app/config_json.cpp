#include "daemon/app/config_json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace tg::app {

using nlohmann::ordered_json;

ordered_json settings_json(const config::Value& tree) {
  auto settings = ordered_json::array();
  for (const auto& setting : config::effective(tree)) {
    ordered_json file = nullptr;
    if (!setting.place.file.empty()) file = setting.place.file;
    settings.push_back({{"path", setting.path},
                        {"value", setting.shown},
                        {"file", std::move(file)},
                        {"line", setting.place.line},
                        {"reload", config::to_string(setting.key->reload)},
                        {"available", setting.key->available}});
  }
  return settings;
}

ordered_json problems_json(const std::vector<config::Problem>& problems) {
  auto all = ordered_json::array();
  for (const auto& problem : problems) {
    all.push_back({{"file", problem.place.file},
                   {"line", problem.place.line},
                   {"path", problem.path},
                   {"message", problem.message},
                   {"text", problem.text()}});
  }
  return all;
}

ordered_json changes_json(const std::vector<config::Change>& changes) {
  auto all = ordered_json::array();
  for (const auto& change : changes) {
    all.push_back({{"path", change.path},
                   {"kind", config::to_string(change.kind)},
                   {"from", change.from},
                   {"to", change.to},
                   {"file", change.place.file},
                   {"line", change.place.line},
                   {"reload", config::to_string(change.reload)}});
  }
  return all;
}

}  // namespace tg::app
