// The arithmetic of one tumbling window: count, mean, minimum, maximum. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace aggregate {

struct Window {
  std::int64_t start_ms = 0;
  std::uint64_t count = 0;
  double mean = 0;
  double min = 0;
  double max = 0;

  // Welford's update: the mean stays exact where a sum would lose digits.
  void add(double value);

  // "start count mean min max" with hexadecimal floats: the same bits come back.
  [[nodiscard]] std::string store() const;
  [[nodiscard]] static std::optional<Window> load(std::string_view text);
};

// Start of the window of this length that a time falls into; windows are aligned to 1970 UTC.
[[nodiscard]] std::int64_t window_start(std::int64_t time_ms, std::int64_t length_ms);

}  // namespace aggregate
