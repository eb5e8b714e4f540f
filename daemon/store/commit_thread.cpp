#include "daemon/store/commit_thread.h"

#include <chrono>
#include <utility>

namespace tg::store {
namespace {

constexpr std::chrono::seconds kIdleCheckpoint{5};

}  // namespace

CommitThread::CommitThread(Writer& writer, const Clock& clock, Post post, Events events)
    : writer_(writer),
      clock_(clock),
      post_(std::move(post)),
      events_(std::move(events)),
      thread_([this] { run(); }) {}

CommitThread::~CommitThread() { (void)close(0); }

void CommitThread::submit(std::unique_ptr<Group> group) {
  {
    const std::lock_guard lock(mutex_);
    next_ = std::move(group);
  }
  wake_.notify_all();
}

std::unique_ptr<Group> CommitThread::close(std::int64_t limit_ms) {
  if (!thread_.joinable()) return nullptr;
  {
    std::unique_lock lock(mutex_);
    closing_ = true;
    wake_.notify_all();
    idle_.wait_for(lock, std::chrono::milliseconds(limit_ms),
                   [this] { return !working_ && next_ == nullptr; });
  }
  thread_.join();
  return std::move(uncommitted_);
}

std::unique_ptr<Group> CommitThread::take_back() {
  const std::lock_guard lock(mutex_);
  return std::move(uncommitted_);
}

void CommitThread::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const bool woken =
        wake_.wait_for(lock, kIdleCheckpoint, [this] { return next_ != nullptr || closing_; });
    if (next_ == nullptr && closing_) return;
    auto group = std::move(next_);
    working_ = true;
    lock.unlock();
    busy_since_us_ = clock_.mono_us();
    if (group != nullptr) commit(std::move(group));
    checkpoint(!woken);
    busy_since_us_ = 0;
    lock.lock();
    working_ = false;
    idle_.notify_all();
  }
}

void CommitThread::commit(std::unique_ptr<Group> group) {
  const std::int64_t begin = clock_.mono_us();
  auto result = writer_.commit(*group);
  if (!result) {
    {
      const std::lock_guard lock(mutex_);
      uncommitted_ = std::move(group);
    }
    post_([this, error = std::move(result.error())] { events_.on_failed(error); });
    return;
  }
  result->duration_us = clock_.mono_us() - begin;
  result->group = std::move(group);
  auto shared = std::make_shared<Committed>(std::move(*result));
  post_([this, shared] { events_.on_committed(std::move(*shared)); });
}

void CommitThread::checkpoint(bool idle) {
  const auto done = writer_.checkpoint(idle);
  if (done && !checkpoint_failing_) return;
  checkpoint_failing_ = !done;
  post_([this, error = done ? std::string() : done.error().message] {
    events_.on_checkpoint(error);
  });
}

}  // namespace tg::store
