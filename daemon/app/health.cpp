#include "daemon/app/health.h"

#include <array>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "daemon/app/status.h"
#include "daemon/base/log.h"

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

std::int64_t random_part_of(std::int64_t interval_ms) {
  std::random_device source;
  return std::uniform_int_distribution<std::int64_t>(1, interval_ms)(source);
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
      {"uplinks", picked(status["uplinks"], {"name", "state", "reason", "reconnects"})},
      {"exports", picked(status["exports"], {"name", "backlog", "records_sent"})},
      {"processors", picked(status["processors"], {"name", "state", "backlog", "errors"})}};
  return message.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

HealthReporter::HealthReporter(PartsNow parts, Timers& timers, Metrics& metrics)
    : parts_(std::move(parts)),
      timers_(timers),
      sent_(metrics.counter("tidegate_health_messages_total", "Health messages stored")),
      skipped_(metrics.counter("tidegate_health_skipped_total",
                               "Health messages that found no room in their stream")) {}

HealthReporter::~HealthReporter() { timers_.cancel(timer_); }

void HealthReporter::configure(const config::Health& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  timers_.cancel(std::exchange(timer_, 0));
  if (settings_.stream.empty()) return;
  timer_ = timers_.after(random_part_of(settings_.interval_ms), [this] { report(); });
}

void HealthReporter::report() {
  timer_ = timers_.after(settings_.interval_ms, [this] { report(); });
  const Parts parts = parts_();
  if (parts.phase != Phase::kRunning) return;
  const std::string message = health_message(parts);
  parts.broker->publish(settings_.topic, message, 0, false);
  store::Record record;
  record.publisher = parts.config->gateway_id;
  record.topic = settings_.topic;
  record.payload = message;
  record.qos = 1;
  const std::array stream{parts.store->find_stream(settings_.stream)};
  if (parts.store->admit(stream, store::record_size_bound(record)) != store::Admission::kYes) {
    skipped_.add();
    log::debug(kLog, "no room in stream {} for a health message", settings_.stream);
    return;
  }
  record.received = parts.clock->now();
  parts.store->append(stream[0], record);
  sent_.add();
}

}  // namespace tg::app
