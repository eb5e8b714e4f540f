// GET /api/v1/plugins: every plugin instance.
#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"
#include "daemon/app/status.h"

namespace tg::app {

void add_plugins_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/api/v1/plugins", Access::kOpen,
             [parts](const AdminRequest&, AdminReply reply) {
               reply(json_answer({{"processors", status_json(parts())["processors"]}}));
             });
}

}  // namespace tg::app
