#include "daemon/app/health.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "daemon/app/status.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

const log::Component kLog{"health"};

// The fields of each entry that tell its health; the whole status is larger than it needs to be.
ordered_json picked(const ordered_json& all, std::initializer_list<const char*> keys) {
  auto out = ordered_json::array();
  for (const auto& entry : all) {
    ordered_json one;
    for (const char* key : keys) one[key] = entry[key];
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string health_message(const Parts& parts) {
  const auto status = status_json(parts);
  const auto now = parts.clock->now();
  ordered_json message{
      {"gateway", status["gateway"]},
      {"time", now.wall_ms},
      {"clock", now.quality == ClockQuality::kSynchronised ? "synced" : "unsynced"},
      {"version", status["version"]},
      {"state", status["state"]},
      {"reason", status["reason"]},
      {"uptime_s", status["uptime_s"]},
      {"system", status["system"]},
      {"broker", status["broker"]},
      {"store", status["store"]},
      {"streams", picked(status["streams"],
                         {"name", "records", "bytes", "oldest_age_s", "full_in_s", "evicted"})},
      {"uplinks", picked(status["uplinks"], {"name", "state", "reason", "cause", "reconnects"})},
      {"exports", picked(status["exports"], {"name", "backlog", "records_sent"})},
      {"processors", picked(status["processors"], {"name", "state", "backlog", "errors"})},
      {"certificates",
       picked(status["certificates"], {"key", "subject", "not_after", "left_s", "problem"})}};
  return message.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

HealthReporter::HealthReporter(PartsNow parts, Timers& timers, Metrics& metrics)
    : report_(kLog, std::move(parts), timers,
              metrics.counter("tidegate_health_messages_total", "Health messages stored"),
              metrics.counter("tidegate_health_skipped_total",
                              "Health messages that found no room in their stream"),
              [this](const Parts& now) {
                std::string message = health_message(now);
                now.broker->publish(report_.settings().topic, message, 0, false);
                return message;
              }) {}

void HealthReporter::configure(const config::Health& settings) {
  report_.configure({settings.stream, settings.topic, settings.interval_ms});
}

}  // namespace tg::app
