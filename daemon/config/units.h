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

namespace tg::config {

[[nodiscard]] std::optional<std::uint64_t> parse_integer(std::string_view text);
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_duration_ms(std::string_view text);
[[nodiscard]] std::optional<int> parse_percent(std::string_view text);

// Edit distance, for "did you mean".
[[nodiscard]] std::size_t distance(std::string_view a, std::string_view b);

}  // namespace tg::config
