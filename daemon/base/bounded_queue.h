// A queue between two threads, bounded in entries. push() never blocks: a full queue says so and
// the producer keeps what it has. pop() waits. close() wakes the consumer for good.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace tg {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t capacity) : capacity_(capacity) {}

  // False when full or closed; `value` is then untouched.
  [[nodiscard]] bool push(T&& value) {
    {
      const std::lock_guard lock(mutex_);
      if (closed_ || entries_.size() >= capacity_) return false;
      entries_.push_back(std::move(value));
    }
    ready_.notify_one();
    return true;
  }

  // Waits for an entry; nothing once the queue is closed and empty.
  [[nodiscard]] std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !entries_.empty(); });
    return take();
  }

  // As pop(), but also nothing after `wait` without an entry.
  [[nodiscard]] std::optional<T> pop_for(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    ready_.wait_for(lock, wait, [this] { return closed_ || !entries_.empty(); });
    return take();
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

  [[nodiscard]] bool is_closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
  }

  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }

 private:
  std::optional<T> take() {
    if (entries_.empty()) return std::nullopt;
    std::optional<T> value(std::move(entries_.front()));
    entries_.pop_front();
    return value;
  }

  const std::size_t capacity_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable ready_;
  std::deque<T> entries_;
  bool closed_ = false;
};

}  // namespace tg
