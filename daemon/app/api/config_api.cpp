// The configuration: GET /api/v1/config (what counts, and where it comes from), GET
// /api/v1/config/diff (what a reload would change), POST /api/v1/reload.
#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"
#include "daemon/app/config_json.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

ordered_json outcome_json(const Reloader& reloader, const Reloader::Outcome& outcome) {
  return {{"file", reloader.file().string()},
          {"valid", outcome.is_valid},
          {"applied", outcome.is_applied},
          {"errors", problems_json(outcome.errors)},
          {"warnings", problems_json(outcome.warnings)},
          {"changes", changes_json(outcome.changes)}};
}

}  // namespace

void add_config_api(AdminRoutes& routes, const PartsNow& parts, const ReloadNow& reload) {
  routes.add(
      "GET", "/api/v1/config", Access::kRead, [parts](const AdminRequest&, AdminReply reply) {
        const auto& reloader = *parts().reloader;
        reply(json_answer(
            {{"file", reloader.file().string()}, {"settings", settings_json(reloader.tree())}}));
      });
  routes.add("GET", "/api/v1/config/diff", Access::kRead,
             [parts](const AdminRequest&, AdminReply reply) {
               auto& reloader = *parts().reloader;
               reloader.check([&reloader, reply](const Reloader::Outcome& outcome) {
                 reply(json_answer(outcome_json(reloader, outcome)));
               });
             });
  routes.add("POST", "/api/v1/reload", Access::kChange,
             [parts, reload](const AdminRequest&, AdminReply reply) {
               reload([parts, reply](const Reloader::Outcome& outcome) {
                 auto document = outcome_json(*parts().reloader, outcome);
                 document["restart_keys"] = parts().reloader->restart_keys();
                 if (!outcome.is_applied) {
                   document["error"] = "the configuration is not applied; nothing has changed";
                 }
                 reply(json_answer(document, outcome.is_applied ? 200 : 422));
               });
             });
}

}  // namespace tg::app
