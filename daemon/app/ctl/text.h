// How tidegatectl shows JSON to people: fields, tables, durations, sizes. Pure. What is missing is
// "-", so that an older daemon can be asked too.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tg::ctl {

using Json = nlohmann::ordered_json;
using Row = std::vector<std::string>;

// The field as text; a string without its quotes.
[[nodiscard]] std::string text(const Json& object, const char* key);
// -1 when it is missing or no number.
[[nodiscard]] double number(const Json& object, const char* key);

// Columns as wide as their widest entry, two blanks before each line.
[[nodiscard]] std::string table(const Row& head, const std::vector<Row>& rows);

// 3661 -> "1h 1m", 59 -> "59s"; negative -> "-".
[[nodiscard]] std::string duration_text(double seconds);
// 1536 -> "1.5 KiB".
[[nodiscard]] std::string size_text(double bytes);
// 12.34 -> "12.3/s"; negative -> "-".
[[nodiscard]] std::string rate_text(double per_second);
// "2026-01-31 12:00[:00]" or with a T, in local time, with a Z in UTC -> milliseconds since 1970.
[[nodiscard]] std::optional<std::int64_t> parse_time(const std::string& text);
// Milliseconds since 1970 -> "2026-01-31 12:00:00" in local time; 0 -> "-".
[[nodiscard]] std::string time_text(double wall_ms);

}  // namespace tg::ctl
