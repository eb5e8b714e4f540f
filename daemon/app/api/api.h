// The admin API, a file a noun: each adds its lines to the table of routes. What they answer stands
// in docs/openapi.yaml, which a test holds against the table. A new noun is a file here, a line
// here, and a line in add_api().
//
// Thread: the loop's. The tables and parts outlive the routes.
#pragma once

#include "daemon/app/admin_routes.h"
#include "daemon/app/parts.h"

namespace tg::app {

using ReloadNow = std::function<void(Reloader::Done)>;
using ResetNow = std::function<Result<void>()>;  // a factory reset begins, or why it does not

// All of them.
void add_api(AdminRoutes& routes, const PartsNow& parts, const ReloadNow& reload,
             const ResetNow& reset);

void add_config_api(AdminRoutes& routes, const PartsNow& parts, const ReloadNow& reload);
void add_backup_api(AdminRoutes& routes, const PartsNow& parts);
void add_reset_api(AdminRoutes& routes, const PartsNow& parts, const ResetNow& reset);
void add_health_api(AdminRoutes& routes, const PartsNow& parts);
void add_status_api(AdminRoutes& routes, const PartsNow& parts);
void add_log_api(AdminRoutes& routes);
void add_clients_api(AdminRoutes& routes, const PartsNow& parts);
void add_trace_api(AdminRoutes& routes, const PartsNow& parts);
void add_streams_api(AdminRoutes& routes, const PartsNow& parts);
void add_readers_api(AdminRoutes& routes, const PartsNow& parts);
void add_dead_letters_api(AdminRoutes& routes, const PartsNow& parts);
void add_plugins_api(AdminRoutes& routes, const PartsNow& parts);

}  // namespace tg::app
