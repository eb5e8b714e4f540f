// Timers of the loop (T0). The app implements them over its io_context; tests use FakeTimers, which
// run when the test advances time. A timer fires once; cancelling one that has fired does nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "daemon/base/post.h"

namespace tg {

using TimerId = std::uint64_t;  // 0 = none

class Timers {
 public:
  virtual ~Timers() = default;
  // A delay <= 0: after the current handler has returned, before the loop sleeps.
  virtual TimerId after_us(std::int64_t delay_us, Task task) = 0;
  TimerId after(std::int64_t delay_ms, Task task) {
    return after_us(delay_ms * 1000, std::move(task));
  }
  virtual void cancel(TimerId id) = 0;
};

class FakeTimers final : public Timers {
 public:
  // Time comes in milliseconds here: rounded up.
  TimerId after_us(std::int64_t delay_us, Task task) override {
    const TimerId id = ++last_id_;
    const std::int64_t due = now_ms_ + (delay_us > 0 ? (delay_us + 999) / 1000 : 0);
    pending_.emplace(std::pair{due, id}, std::move(task));
    return id;
  }
  void cancel(TimerId id) override {
    std::erase_if(pending_, [id](const auto& entry) { return entry.first.second == id; });
  }
  // Runs what is due by then, in order of time; timers made on the way included.
  void advance_ms(std::int64_t ms) {
    const std::int64_t end = now_ms_ + ms;
    while (!pending_.empty() && pending_.begin()->first.first <= end) {
      auto node = pending_.extract(pending_.begin());
      now_ms_ = node.key().first;
      node.mapped()();
    }
    now_ms_ = end;
  }
  [[nodiscard]] std::size_t size() const { return pending_.size(); }

 private:
  std::int64_t now_ms_ = 0;
  TimerId last_id_ = 0;
  std::map<std::pair<std::int64_t, TimerId>, Task> pending_;
};

}  // namespace tg
