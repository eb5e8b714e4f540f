// How fast counters move: the mean over the last minute, from one look a second. Pure.
// Limit: 61 looks a counter.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace tg::app {

class RateWindow {
 public:
  void add(std::int64_t mono_ms, double value);
  // 0 before the second look. Negative when the value falls.
  [[nodiscard]] double per_second() const;

 private:
  struct Look {
    std::int64_t mono_ms = 0;
    double value = 0;
  };
  static constexpr std::size_t kLooks = 61;
  std::array<Look, kLooks> looks_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

class Rates {
 public:
  void add(const std::string& counter, std::int64_t mono_ms, double value) {
    windows_[counter].add(mono_ms, value);
  }
  // 0 when there is no such counter.
  [[nodiscard]] double per_second(const std::string& counter) const {
    const auto found = windows_.find(counter);
    return found == windows_.end() ? 0 : found->second.per_second();
  }

 private:
  std::map<std::string, RateWindow> windows_;
};

}  // namespace tg::app
