// The levels of the log: GET /api/v1/log, PUT /api/v1/log/{component}.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"
#include "daemon/base/log.h"

namespace tg::app {
namespace {

constexpr std::string_view kDefault = "default";

AdminAnswer levels() {
  auto components = nlohmann::ordered_json::array();
  for (const auto& component : log::components()) {
    components.push_back({{"name", component.name},
                          {"level", log::to_string(component.level)},
                          {"own", component.is_own}});
  }
  return json_answer(
      {{"default", log::to_string(log::default_level())}, {"components", std::move(components)}});
}

// The body is the level, as it would be written in the file; for a component also "default".
AdminAnswer set_level(const std::string& component, std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (component != kDefault && text == kDefault) {
    if (!log::clear_component_level(component)) {
      return error_answer(404, fmt::format("there is no component {}", component));
    }
    return levels();
  }
  const auto level = log::parse_level(text);
  if (!level) {
    return error_answer(400,
                        fmt::format("\"{}\" is not one of: error, warning, info, debug", text));
  }
  if (component == kDefault) {
    log::set_default_level(*level);
  } else if (!log::set_component_level(component, *level)) {
    return error_answer(404, fmt::format("there is no component {}", component));
  }
  return levels();
}

}  // namespace

void add_log_api(AdminRoutes& routes) {
  routes.add("GET", "/api/v1/log", Access::kOpen,
             [](const AdminRequest&, AdminReply reply) { reply(levels()); });
  routes.add("PUT", "/api/v1/log/{component}", Access::kChange,
             [](const AdminRequest& request, AdminReply reply) {
               reply(set_level(request.parameter("component"), request.body));
             });
}

}  // namespace tg::app
