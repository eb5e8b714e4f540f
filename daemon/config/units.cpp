#include "daemon/config/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>
#include <vector>

namespace tg::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr Unit kSizes[] = {{"KiB", 1ULL << 10}, {"MiB", 1ULL << 20}, {"GiB", 1ULL << 30}, {"B", 1}};
constexpr Unit kDurations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};

// The number before the unit and the unit.
std::optional<std::pair<std::uint64_t, std::string_view>> split(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return std::pair{number, text.substr(static_cast<std::size_t>(end - text.data()))};
}

template <std::size_t N>
std::optional<std::uint64_t> scaled(std::string_view text, const Unit (&units)[N]) {
  const auto parts = split(text);
  if (!parts) return std::nullopt;
  for (const auto& unit : units) {
    if (parts->second != unit.name) continue;
    if (parts->first > std::numeric_limits<std::int64_t>::max() / unit.factor) return std::nullopt;
    return parts->first * unit.factor;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string written(std::uint64_t value, const Unit (&units)[N]) {
  const Unit* best = nullptr;
  for (const auto& unit : units) {
    if (value % unit.factor == 0 && (best == nullptr || unit.factor > best->factor)) best = &unit;
  }
  return value == 0 ? "0" : fmt::format("{}{}", value / best->factor, best->name);
}

}  // namespace

std::string duration_text(std::uint64_t ms) { return written(ms, kDurations); }
std::string size_text(std::uint64_t bytes) { return written(bytes, kSizes); }

std::optional<std::uint64_t> parse_integer(std::string_view text) {
  const auto parts = split(text);
  return parts && parts->second.empty() ? std::optional(parts->first) : std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  if (const auto plain = parse_integer(text)) return plain;
  return scaled(text, kSizes);
}

std::optional<std::int64_t> parse_duration_ms(std::string_view text) {
  if (text == "0") return 0;
  const auto ms = scaled(text, kDurations);
  return ms ? std::optional(static_cast<std::int64_t>(*ms)) : std::nullopt;
}

std::optional<int> parse_percent(std::string_view text) {
  const auto parts = split(text);
  if (!parts || parts->second != "%" || parts->first > 100) return std::nullopt;
  return static_cast<int>(parts->first);
}

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      const std::size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({change, above + 1, row[j - 1] + 1});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string nearest(std::string_view name, const std::vector<std::string_view>& known) {
  const auto best = std::min_element(known.begin(), known.end(), [name](auto a, auto b) {
    return distance(name, a) < distance(name, b);
  });
  if (best == known.end()) return {};
  if (distance(name, *best) <= std::max<std::size_t>(2, name.size() / 2)) {
    return fmt::format("; did you mean {}?", *best);
  }
  std::string all;
  for (const auto other : known) all += (all.empty() ? "" : ", ") + std::string(other);
  return "; known here: " + all;
}

}  // namespace tg::config
