// The state of the gateway for people and programs: the JSON document of GET /api/v1/status (its
// shape stands in docs/operations.md), the line for systemd, and the gauges that are read rather
// than kept. Pure but for what it reads. Thread: the loop's.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/config/config.h"
#include "daemon/plugin_host/host.h"
#include "daemon/store/store.h"
#include "daemon/uplink/uplink.h"
#include "local-broker/broker/broker.h"

namespace tg::app {

enum class Phase : std::uint8_t { kStarting, kRunning, kStopping };

// Borrowed; null = not there (yet).
struct StatusParts {
  const config::Config* config = nullptr;
  Phase phase = Phase::kStarting;
  std::int64_t uptime_ms = 0;
  Timestamp now;
  const store::Store* store = nullptr;
  const broker::Broker* broker = nullptr;
  const uplink::Uplink* uplink = nullptr;
  const plugin_host::PluginHost* plugins = nullptr;
};

[[nodiscard]] std::string status_json(const StatusParts& parts);
[[nodiscard]] std::string status_line(const StatusParts& parts);
void update_gauges(const StatusParts& parts, Metrics& metrics);

}  // namespace tg::app
