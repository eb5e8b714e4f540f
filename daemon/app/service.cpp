#include "daemon/app/service.h"

#include <systemd/sd-daemon.h>

#include <chrono>
#include <cinttypes>
#include <condition_variable>
#include <ctime>
#include <mutex>

namespace tg::app {
namespace {

constexpr std::chrono::seconds kExtendEvery{5};
constexpr std::chrono::microseconds kExtendBy = std::chrono::seconds(60);

void extend_timeout(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any ended;
  std::unique_lock lock(mutex);
  while (!ended.wait_for(lock, stop, kExtendEvery, [&stop] { return stop.stop_requested(); })) {
    sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRId64, std::int64_t{kExtendBy.count()});
  }
}

}  // namespace

Service::Service(Timers& timers) : timers_(timers) {
  std::uint64_t limit_us = 0;
  if (sd_watchdog_enabled(0, &limit_us) > 0) {
    watchdog_interval_ms_ = static_cast<std::int64_t>(limit_us / 3000);
  }
}

Service::~Service() { timers_.cancel(timer_); }

void Service::ready() {
  sd_notify(0, "READY=1");
  if (watchdog_interval_ms_ > 0 && timer_ == 0) feed();
}

void Service::reloading() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);  // what systemd compares with
  sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
                 static_cast<std::uint64_t>(now.tv_nsec) / 1000);
}

void Service::stopping() { sd_notify(0, "STOPPING=1\nSTATUS=stopping"); }

void Service::status(const std::string& line) {
  if (line == last_status_) return;
  last_status_ = line;
  sd_notify(0, ("STATUS=" + line).c_str());
}

void Service::feed() {
  sd_notify(0, "WATCHDOG=1");
  timer_ = timers_.after(watchdog_interval_ms_, [this] { feed(); });
}

SlowStart::SlowStart() : thread_(extend_timeout) {}

}  // namespace tg::app
