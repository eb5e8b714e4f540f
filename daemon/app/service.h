// What systemd hears of us: READY, RELOADING, STATUS, STOPPING, WATCHDOG. Without a unit every call
// does nothing.
//
// Thread: the loop's. The watchdog is fed by a timer of the loop, so that a stuck loop is what
// stops it; a stuck disk does not (that is the state "storage stalled").
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/timers.h"

namespace tg::app {

class Service {
 public:
  // `timers` must outlive the service.
  explicit Service(Timers& timers);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void ready();
  // A reload begins; ready() ends it.
  void reloading();
  void stopping();
  // One line for `systemctl status`. Sent when it changes.
  void status(const std::string& line);

 private:
  void feed();

  Timers& timers_;
  std::int64_t watchdog_interval_ms_ = 0;  // 0 = no watchdog asked for
  TimerId timer_ = 0;
  std::string last_status_;
};

}  // namespace tg::app
