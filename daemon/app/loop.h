// The loop (T0): one io_context, its timers, and the way into it from other threads.
//
// Thread: made and run on the main thread. post() may be called from any thread and outlives the
// loop: tasks that arrive after stop() are dropped.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include "daemon/base/post.h"
#include "daemon/base/timers.h"

namespace tg::app {

class Loop final : public Timers {
 public:
  Loop();
  ~Loop() override;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  TimerId after_us(std::int64_t delay_us, Task task) override;
  void cancel(TimerId id) override;

  [[nodiscard]] Post post();
  [[nodiscard]] boost::asio::io_context& context() { return context_; }

  // Returns after stop().
  void run();
  void stop() { context_.stop(); }

 private:
  struct Gate;  // lets late post()s find a closed door instead of a dead io_context

  boost::asio::io_context context_{1};
  std::shared_ptr<Gate> gate_;
  std::unordered_map<TimerId, std::unique_ptr<boost::asio::steady_timer>> timers_;
  std::unordered_set<TimerId> next_;  // timers without a delay
  TimerId last_timer_ = 0;
};

}  // namespace tg::app
