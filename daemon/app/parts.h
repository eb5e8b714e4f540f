// The running gateway as the admin API, the status and a reload see it. Borrowed from the gateway;
// null = not there (yet). Thread: the loop's.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "daemon/app/rates.h"
#include "daemon/app/reloader.h"
#include "daemon/app/tracer.h"
#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/config/config.h"
#include "daemon/pipeline/dead_letters.h"
#include "daemon/plugin_host/host.h"
#include "daemon/store/store.h"
#include "daemon/uplink/uplink.h"
#include "local-broker/broker/broker.h"

namespace tg::app {

enum class Phase : std::uint8_t { kStarting, kRunning, kStopping };

struct Parts {
  const config::Config* config = nullptr;
  Reloader* reloader = nullptr;
  Phase phase = Phase::kStarting;
  std::int64_t uptime_ms = 0;
  const Clock* clock = nullptr;
  Timers* timers = nullptr;
  Metrics* metrics = nullptr;
  store::Store* store = nullptr;
  broker::Broker* broker = nullptr;
  std::vector<uplink::Uplink*> uplinks;
  pipeline::DeadLetters* dead_letters = nullptr;
  plugin_host::PluginHost* plugins = nullptr;
  Tracer* tracer = nullptr;
  const Rates* rates = nullptr;
};

// Asked anew for each request: parts come and go.
using PartsNow = std::function<Parts()>;

}  // namespace tg::app
