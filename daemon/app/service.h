// What systemd hears of us: READY, EXTEND_TIMEOUT, RELOADING, STATUS, STOPPING, WATCHDOG. Without a
// unit every call does nothing.
//
// Thread: the loop's, but for SlowStart. The watchdog is fed by a timer of the loop, so that a
// stuck loop is what stops it; a stuck disk does not (that is the state "storage stalled").
#pragma once

#include <cstdint>
#include <string>
#include <thread>

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

// While one lives, systemd does not give up a start for TimeoutStartSec: a database that has to be
// read through or migrated is gigabytes, on a slow card perhaps, and to begin again would not help.
// The loop is busy meanwhile, so it has a thread of its own.
class SlowStart {
 public:
  SlowStart();

 private:
  std::jthread thread_;
};

}  // namespace tg::app
