// The gateway's own telemetry (OPS-3): a health message at an interval, also when nothing else is
// sent, into a stream of its own, from where an export takes it to the cloud. Subscribers on site
// get it too. The document stands in docs/operations.md.
//
// Thread: the loop's. A message that finds no room is skipped and counted; the next one comes.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/app/parts.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/config/config.h"

namespace tg::app {

class HealthReporter {
 public:
  HealthReporter(PartsNow parts, Timers& timers, Metrics& metrics);
  ~HealthReporter();
  HealthReporter(const HealthReporter&) = delete;
  HealthReporter& operator=(const HealthReporter&) = delete;

  // From now on by these settings; the first message comes after one interval, at a random point of
  // it (TEL-6: a fleet that starts at once does not report at once).
  void configure(const config::Health& settings);

 private:
  void report();

  const PartsNow parts_;
  Timers& timers_;
  Counter sent_;
  Counter skipped_;
  config::Health settings_;
  TimerId timer_ = 0;
};

// What is sent.
[[nodiscard]] std::string health_message(const Parts& parts);

}  // namespace tg::app
