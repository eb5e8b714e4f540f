#include "daemon/app/loop.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

namespace tg::app {

namespace asio = boost::asio;

struct Loop::Gate {
  std::mutex mutex;
  asio::io_context* context;  // null once the loop has gone
};

Loop::Loop() : gate_(std::make_shared<Gate>()) { gate_->context = &context_; }

Loop::~Loop() {
  const std::lock_guard lock(gate_->mutex);
  gate_->context = nullptr;
}

Post Loop::post() {
  return [gate = gate_](Task task) {
    const std::lock_guard lock(gate->mutex);
    if (gate->context != nullptr) asio::post(*gate->context, std::move(task));
  };
}

TimerId Loop::after_us(std::int64_t delay_us, Task task) {
  const TimerId id = ++last_timer_;
  if (delay_us <= 0) {  // each commit has one: no system calls for it
    next_.insert(id);
    asio::post(context_, [this, id, task = std::move(task)] {
      if (next_.erase(id) != 0) task();
    });
    return id;
  }
  auto timer = std::make_unique<asio::steady_timer>(context_, std::chrono::microseconds(delay_us));
  timer->async_wait([this, id, task = std::move(task)](const boost::system::error_code& error) {
    if (error) return;
    // Gone from the table means cancelled, even when the wait had already been won.
    if (timers_.erase(id) != 0) task();
  });
  timers_.emplace(id, std::move(timer));
  return id;
}

void Loop::cancel(TimerId id) {
  timers_.erase(id);
  next_.erase(id);
}

void Loop::run() {
  const auto guard = asio::make_work_guard(context_);
  context_.run();
}

}  // namespace tg::app
