// GET /healthz, /readyz, /metrics: what supervisors and Prometheus ask.
#include "daemon/app/api/api.h"
#include "daemon/app/status.h"

namespace tg::app {

void add_health_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/healthz", Access::kProbe, [](const AdminRequest&, AdminReply reply) {
    reply({200, "text/plain; charset=utf-8", "ok\n"});
  });
  routes.add("GET", "/readyz", Access::kProbe, [parts](const AdminRequest&, AdminReply reply) {
    const bool ready = parts().phase == Phase::kRunning;
    reply({ready ? 200U : 503U, "text/plain; charset=utf-8",
           ready ? "ready\n" : "not ready: the broker does not listen\n"});
  });
  routes.add("GET", "/metrics", Access::kOpen, [parts](const AdminRequest&, AdminReply reply) {
    const Parts now = parts();
    update_gauges(now, *now.metrics);
    reply({200, "text/plain; version=0.0.4; charset=utf-8", now.metrics->text()});
  });
}

}  // namespace tg::app
