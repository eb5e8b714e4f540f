// The canary (OPS-7): a built-in synthetic device whose message goes the whole way at an interval:
// intake → route → stream → commit → every reader (an export has it when the cloud has acknowledged
// it). Its result is a metric: what Prometheus can alarm on when all else looks well.
//
// Its messages are traced like any other (tracer.h): the log says where one got stuck.
// Thread: the loop's. One message at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/app/tracer.h"
#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/config/config.h"

namespace tg::app {

class Canary {
 public:
  // Takes a message in as if a device had published it.
  using Publish = std::function<void(const std::string& topic, const std::string& payload)>;

  Canary(Tracer& tracer, Publish publish, const Clock& clock, Timers& timers, Metrics& metrics);
  ~Canary();
  Canary(const Canary&) = delete;
  Canary& operator=(const Canary&) = delete;

  // From now on by these settings; interval 0 = off. A message under way counts no more.
  void configure(const config::Canary& settings);

 private:
  void send();
  void finished(const Tracer::Report& report);

  Tracer& tracer_;
  const Publish publish_;
  const Clock& clock_;
  Timers& timers_;
  Counter successes_;
  Counter failures_;
  Gauge healthy_;
  Gauge seconds_;
  config::Canary settings_;
  std::uint64_t number_ = 0;
  Tracer::WaitId flight_ = 0;  // of the message under way
  TimerId timer_ = 0;
};

}  // namespace tg::app
