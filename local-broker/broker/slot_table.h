// Owns objects under small dense numbers. A number is used again only after all others that are
// free, so that an old one rarely names a new object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace tg::broker {

template <class T>
class SlotTable {
 public:
  std::uint32_t insert(std::unique_ptr<T> object) {
    ++size_;
    if (free_.empty()) {
      slots_.push_back(std::move(object));
      return static_cast<std::uint32_t>(slots_.size() - 1);
    }
    const std::uint32_t slot = free_.front();
    free_.pop_front();
    slots_[slot] = std::move(object);
    return slot;
  }
  // Null when there is none.
  [[nodiscard]] T* find(std::uint64_t slot) const {
    return slot < slots_.size() ? slots_[slot].get() : nullptr;
  }
  void erase(std::uint32_t slot) {
    slots_[slot].reset();
    free_.push_back(slot);
    --size_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Past the highest slot.
  [[nodiscard]] std::uint32_t end() const { return static_cast<std::uint32_t>(slots_.size()); }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& object : slots_) {
      if (object) visit(*object);
    }
  }

 private:
  std::vector<std::unique_ptr<T>> slots_;
  std::deque<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace tg::broker
