// The gateway's own telemetry (OPS-3): a health message at an interval, also when nothing else is
// sent, into a stream of its own, from where an export takes it to the cloud. Subscribers on site
// get it too. The document stands in docs/operations.md.
//
// Thread: the loop's.
#pragma once

#include <string>

#include "daemon/app/periodic_report.h"
#include "daemon/config/config.h"

namespace tg::app {

class HealthReporter {
 public:
  HealthReporter(PartsNow parts, Timers& timers, Metrics& metrics);

  void configure(const config::Health& settings);

 private:
  PeriodicReport report_;
};

// What is sent.
[[nodiscard]] std::string health_message(const Parts& parts);

}  // namespace tg::app
