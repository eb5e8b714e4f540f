// The thread behind a link, and the way back from it: commands come through a bounded queue; events
// go to the loop, where they find the link's own side, its Inbox, or nothing when the link has
// gone.
//
// End: after stop() no event comes. A thread that hangs in a call for longer than 5 s (a resolver
//   knows no bound) is left behind with the state it shares.
// Thread: start(), push() and stop() on T0; next() on the thread; emit() anywhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/bounded_queue.h"
#include "daemon/base/log.h"
#include "daemon/base/post.h"
#include "daemon/base/thread_name.h"

namespace tg::cloud {

template <class Command, class Inbox>
class LinkThread {
 public:
  using Event = std::function<void(Inbox&)>;

  LinkThread(std::size_t capacity, Post post, std::weak_ptr<Inbox> inbox)
      : queue_(capacity), post_(std::move(post)), inbox_(std::move(inbox)) {}
  LinkThread(const LinkThread&) = delete;
  LinkThread& operator=(const LinkThread&) = delete;

  // `run` keeps this alive, and returns when next() says that it is over.
  void start(Task run) {
    thread_ = std::thread([this, run = std::move(run)] {
      name_thread("cloud");
      run();
      const std::lock_guard lock(mutex_);
      finished_ = true;
      finished_changed_.notify_all();
    });
  }

  void push(Command command) {
    const bool pushed = queue_.push(std::move(command));
    TG_ASSERT(pushed || queue_.is_closed());
  }

  // The next command; nothing after `wait` without one, or when it is over.
  [[nodiscard]] std::optional<Command> next(std::chrono::milliseconds wait) {
    return queue_.pop_for(wait);
  }
  [[nodiscard]] bool is_over() const { return queue_.is_closed(); }

  void emit(Event event) {
    const std::lock_guard lock(mutex_);
    if (!post_) return;
    post_([inbox = inbox_, event = std::move(event)] {
      if (const auto open = inbox.lock()) event(*open);
    });
  }

  void stop(const log::Component& component, const char* name) {
    queue_.close();
    std::unique_lock lock(mutex_);
    post_ = nullptr;
    if (finished_changed_.wait_for(lock, kExitWait, [this] { return finished_; })) {
      lock.unlock();
      thread_.join();
      return;
    }
    log::warning(component, "the {} thread hangs in a call and is left behind", name);
    thread_.detach();
  }

 private:
  static constexpr auto kExitWait = std::chrono::seconds(5);

  BoundedQueue<Command> queue_;
  std::thread thread_;  // T0 only
  std::mutex mutex_;    // guards post_ and finished_
  std::condition_variable finished_changed_;
  bool finished_ = false;
  Post post_;
  const std::weak_ptr<Inbox> inbox_;
};

}  // namespace tg::cloud
