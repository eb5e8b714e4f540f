// Sizes, durations and percentages as they are written in the configuration. Pure.
//
//   size      := number [KiB|MiB|GiB|B]      "256KiB" = 262144, "1024" = 1024
//   duration  := number ms|s|m|h|d           "100ms", "30s", "7d"; 0 needs no unit
//   percent   := number%                     0 to 100
// number is a whole number without a sign; there is no space before the unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::config {

[[nodiscard]] std::optional<std::uint64_t> parse_integer(std::string_view text);
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_duration_ms(std::string_view text);
[[nodiscard]] std::optional<int> parse_percent(std::string_view text);

// As one would write it: "30s", "1GiB"; in the largest unit that loses nothing.
[[nodiscard]] std::string duration_text(std::uint64_t ms);
[[nodiscard]] std::string size_text(std::uint64_t bytes);

// Edit distance.
[[nodiscard]] std::size_t distance(std::string_view a, std::string_view b);
// For the end of an error about an unknown name: "; did you mean …?", or all that are known.
[[nodiscard]] std::string nearest(std::string_view name,
                                  const std::vector<std::string_view>& known);

}  // namespace tg::config
