// A growing ring buffer: push at the back, pop at the front, index from the front. One allocation,
// halved each time a large ring runs empty: one that fills again at once need not grow all the way,
// one that stays short gives its memory back. 24 bytes while empty.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "daemon/base/assert.h"

namespace tg::broker {

template <class T>
class Ring {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] T& operator[](std::size_t index) { return slots_[(head_ + index) & mask()]; }
  [[nodiscard]] const T& operator[](std::size_t index) const {
    return slots_[(head_ + index) & mask()];
  }
  [[nodiscard]] T& front() { return slots_[head_]; }
  [[nodiscard]] T& back() { return (*this)[size_ - 1]; }

  void push_back(T&& value) {
    if (size_ == capacity_) move_to(capacity_ == 0 ? kFirst : capacity_ * 2);
    slots_[(head_ + size_) & mask()] = std::move(value);
    ++size_;
  }
  void push_back(const T& value) { push_back(T(value)); }
  T take_front() {
    T value = std::move(front());
    pop_front();
    return value;
  }
  void pop_front() {
    TG_ASSERT(size_ > 0);
    slots_[head_] = T{};
    head_ = (head_ + 1) & mask();
    if (--size_ == 0 && capacity_ > kKept) move_to(capacity_ / 2);
  }
  void clear() {
    slots_.reset();
    head_ = size_ = capacity_ = 0;
  }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }

 private:
  static constexpr std::uint32_t kFirst = 4;
  static constexpr std::uint32_t kKept = 32;

  [[nodiscard]] std::uint32_t mask() const { return capacity_ - 1; }
  void move_to(std::uint32_t capacity) {
    auto slots = std::make_unique<T[]>(capacity);
    for (std::uint32_t i = 0; i < size_; ++i) slots[i] = std::move((*this)[i]);
    slots_ = std::move(slots);
    head_ = 0;
    capacity_ = capacity;
  }

  std::unique_ptr<T[]> slots_;
  std::uint32_t head_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace tg::broker
