// Problems, settings and changes of the configuration as JSON, the same for the admin API and for
// tidegatectl's own checks (shapes: docs/openapi.yaml). Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "daemon/config/effective.h"
#include "daemon/config/tree.h"

namespace tg::app {

[[nodiscard]] nlohmann::ordered_json problems_json(const std::vector<config::Problem>& problems);
// Without secrets.
[[nodiscard]] nlohmann::ordered_json settings_json(const config::Value& tree);
[[nodiscard]] nlohmann::ordered_json changes_json(const std::vector<config::Change>& changes);

}  // namespace tg::app
