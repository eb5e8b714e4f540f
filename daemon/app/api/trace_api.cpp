// GET /api/v1/trace?topic=FILTER&timeout=SECONDS: follows the next message on that topic.
#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"
#include "local-broker/mqtt/topic.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kStandardSeconds = 10;
constexpr std::uint64_t kMaxSeconds = 50;  // below the server's limit of an answer

AdminAnswer report_answer(const Tracer::Report& report) {
  auto steps = ordered_json::array();
  for (const auto& step : report.steps) {
    steps.push_back({{"after_ms", static_cast<double>(step.after_us) / 1000},
                     {"stage", step.stage},
                     {"text", step.text}});
  }
  return json_answer({{"matched", report.is_matched},
                      {"complete", report.is_complete},
                      {"topic", report.topic},
                      {"outcome", report.outcome},
                      {"steps", std::move(steps)}});
}

void trace(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  const std::string& filter = request.parameter("topic");
  if (!mqtt::is_valid_topic_filter(filter)) {
    return reply(error_answer(400, "topic: \"" + filter + "\" is not a topic filter"));
  }
  const auto seconds = request.number("timeout", kStandardSeconds, kMaxSeconds);
  if (!seconds) return reply(error_answer(seconds.error()));
  const auto id =
      parts.tracer->wait(filter, static_cast<std::int64_t>(*seconds) * 1000,
                         [reply](const Tracer::Report& report) { reply(report_answer(report)); });
  if (id == 0) reply(error_answer(409, "8 traces are under way; try again when one has ended"));
}

}  // namespace

void add_trace_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/api/v1/trace", Access::kRead,
             [parts](const AdminRequest& request, const AdminReply& reply) {
               trace(parts(), request, reply);
             });
}

}  // namespace tg::app
