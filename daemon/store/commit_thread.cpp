#include "daemon/store/commit_thread.h"

#include <chrono>
#include <utility>

#include "daemon/base/thread_name.h"

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
  name_thread("store");
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto is_wanted = [this] {
      return next_ != nullptr || closing_ || backup_order_ || is_backing_up_;
    };
    const bool woken = wake_.wait_for(lock, kIdleCheckpoint, is_wanted);
    if (next_ == nullptr && closing_) return;
    auto group = std::move(next_);
    const auto order = std::exchange(backup_order_, std::nullopt);
    working_ = true;
    lock.unlock();
    busy_since_us_ = clock_.mono_us();
    if (group != nullptr) commit(std::move(group));
    if (order) take_order(*order);
    if (is_backing_up_) step_backup();
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

std::uint64_t CommitThread::set_backup(bool wanted) {
  const std::lock_guard lock(mutex_);
  backup_order_ = {++backup_orders_, wanted};
  wake_.notify_all();
  return backup_orders_;
}

void CommitThread::take_order(BackupOrder order) {
  is_backing_up_ = false;
  order_ = order.number;
  if (!order.wanted) return writer_.remove_backup();
  if (const auto begun = writer_.begin_backup(); !begun) {
    return tell({BackupStatus::State::kFailed, 0, 0, begun.error().message});
  }
  is_backing_up_ = true;
}

void CommitThread::step_backup() {
  if (!writer_.is_backing_up()) {
    is_backing_up_ = false;
    return tell({BackupStatus::State::kFailed, 0, 0, "the store was opened anew meanwhile"});
  }
  auto status = writer_.step_backup();
  is_backing_up_ = status && status->state == BackupStatus::State::kCopying;
  tell(status ? std::move(*status)
              : BackupStatus{BackupStatus::State::kFailed, 0, 0, status.error().message});
}

void CommitThread::tell(BackupStatus status) {
  post_([this, order = order_, status = std::move(status)] { events_.on_backup(order, status); });
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
