// What the gateway tells of itself at an interval: a document goes into a stream of its own, from
// where an export takes it to the cloud (the health message, the Device Defender report).
//
// Thread: the loop's. A report that finds no room is skipped and counted; the next one comes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/app/parts.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"

namespace tg::app {

struct ReportSettings {
  std::string stream;  // empty = no reports
  std::string topic;
  std::int64_t interval_ms = 0;
  bool operator==(const ReportSettings&) const = default;
};

class PeriodicReport {
 public:
  using Make = std::function<std::string(const Parts&)>;

  // component: in whose name it logs; static.
  PeriodicReport(const log::Component& component, PartsNow parts, Timers& timers, Counter sent,
                 Counter skipped, Make make);
  ~PeriodicReport();
  PeriodicReport(const PeriodicReport&) = delete;
  PeriodicReport& operator=(const PeriodicReport&) = delete;

  // From now on by these settings; the first report comes at the gateway's own point of the first
  // interval, as every time: a fleet that is switched on at once does not report at once. An empty
  // stream = off.
  void configure(const ReportSettings& settings);
  [[nodiscard]] const ReportSettings& settings() const { return settings_; }

 private:
  void report();

  const log::Component& component_;
  const PartsNow parts_;
  Timers& timers_;
  Counter sent_;
  Counter skipped_;
  const Make make_;
  ReportSettings settings_;
  TimerId timer_ = 0;
};

}  // namespace tg::app
