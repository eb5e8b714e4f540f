#include "daemon/app/api/api.h"

#include <nlohmann/json.hpp>

namespace tg::app {
namespace {

const char* access_name(Access access) {
  switch (access) {
    case Access::kProbe:
      return "probe";
    case Access::kOpen:
      return "open";
    case Access::kRead:
      return "read";
    case Access::kChange:
      return "change";
  }
  return "?";
}

// GET /api/v1: what there is.
void add_index(AdminRoutes& routes) {
  routes.add("GET", "/api/v1", Access::kOpen, [&routes](const AdminRequest&, AdminReply reply) {
    auto all = nlohmann::ordered_json::array();
    for (const auto& line : routes.lines()) {
      all.push_back(
          {{"method", line.method}, {"path", line.path}, {"access", access_name(line.access)}});
    }
    reply(json_answer({{"routes", std::move(all)}}));
  });
}

}  // namespace

void add_api(AdminRoutes& routes, const PartsNow& parts, const ReloadNow& reload,
             const ResetNow& reset) {
  add_index(routes);
  add_health_api(routes, parts);
  add_status_api(routes, parts);
  add_config_api(routes, parts, reload);
  add_backup_api(routes, parts);
  add_reset_api(routes, parts, reset);
  add_log_api(routes);
  add_streams_api(routes, parts);
  add_readers_api(routes, parts);
  add_clients_api(routes, parts);
  add_dead_letters_api(routes, parts);
  add_plugins_api(routes, parts);
  add_trace_api(routes, parts);
}

}  // namespace tg::app
