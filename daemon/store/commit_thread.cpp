#include "daemon/store/commit_thread.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "daemon/base/log.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kFirstRetryMs = 100;
constexpr std::int64_t kLastRetryMs = 5000;
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
    give_up_ = true;
  }
  wake_.notify_all();
  thread_.join();
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
    if (const auto done = writer_.checkpoint(!woken); !done) {
      log::warning(kLog, "checkpoint failed, will be tried again: {}", done.error().message);
    }
    busy_since_us_ = 0;
    lock.lock();
    working_ = false;
    idle_.notify_all();
  }
}

void CommitThread::commit(std::unique_ptr<Group> group) {
  bool failing = false;
  for (std::int64_t delay_ms = kFirstRetryMs;; delay_ms = std::min(delay_ms * 2, kLastRetryMs)) {
    const std::int64_t begin = clock_.mono_us();
    auto result = writer_.commit(*group);
    if (result) {
      if (failing) post_([this] { events_.on_failing({}); });
      result->duration_us = clock_.mono_us() - begin;
      result->group = std::move(group);
      auto shared = std::make_shared<Committed>(std::move(*result));
      post_([this, shared] { events_.on_committed(std::move(*shared)); });
      return;
    }
    failing = true;
    post_([this, reason = result.error().message] { events_.on_failing(reason); });
    busy_since_us_ = 0;  // waiting is not being stuck
    if (!wait_to_retry(delay_ms)) {
      const std::lock_guard lock(mutex_);
      uncommitted_ = std::move(group);
      return;
    }
    busy_since_us_ = clock_.mono_us();
  }
}

bool CommitThread::wait_to_retry(std::int64_t delay_ms) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(delay_ms), [this] { return give_up_; });
  return !give_up_;
}

}  // namespace tg::store
