// POST /api/v1/factory-reset, the gateway's id as the body: wipes the data directory and starts
// again.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"

namespace tg::app {

void add_reset_api(AdminRoutes& routes, const PartsNow& parts, const ResetNow& reset) {
  routes.add("POST", "/api/v1/factory-reset", Access::kChange,
             [parts, reset](const AdminRequest& request, const AdminReply& reply) {
               const std::string& id = parts().config->gateway_id;
               if (request.body != id) {
                 return reply(error_answer(
                     400, fmt::format("the body must be the gateway's id, {}, to confirm", id)));
               }
               if (auto marked = reset(); !marked) return reply(error_answer(marked.error()));
               reply(json_answer({{"gateway", id}, {"data_dir", parts().config->data_dir}}));
             });
}

}  // namespace tg::app
