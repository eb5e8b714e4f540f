// GET /api/v1/status: the document of docs/operations.md.
#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"
#include "daemon/app/status.h"

namespace tg::app {

void add_status_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add(
      "GET", "/api/v1/status", Access::kOpen,
      [parts](const AdminRequest&, AdminReply reply) { reply(json_answer(status_json(parts()))); });
}

}  // namespace tg::app
