#include "daemon/app/ctl/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>

namespace tg::ctl {

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

double number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : -1;
}

std::string table(const Row& head, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < head.size(); ++column) {
    std::size_t width = head[column].size();
    for (const auto& row : rows) width = std::max(width, row[column].size());
    widths.push_back(width);
  }
  std::string out;
  const auto add = [&out, &widths](const Row& row) {
    std::string line = " ";
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += fmt::format(" {:<{}}", row[column], widths[column]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add(head);
  for (const auto& row : rows) add(row);
  return out;
}

std::string duration_text(double seconds) {
  if (seconds < 0) return "-";
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d {}h", whole / 86'400, whole % 86'400 / 3600);
}

std::string size_text(double bytes) {
  if (bytes < 0) return "-";
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string rate_text(double per_second) {
  return per_second < 0 ? "-" : fmt::format("{:.1f}/s", per_second);
}

std::optional<std::int64_t> parse_time(const std::string& text) {
  for (const char* format :
       {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"}) {
    std::tm parts{};
    parts.tm_isdst = -1;
    const char* const rest = ::strptime(text.c_str(), format, &parts);
    if (rest == nullptr) continue;
    const bool is_utc = *rest == 'Z' && rest[1] == 0;
    if (*rest != 0 && !is_utc) continue;
    const std::time_t seconds = is_utc ? ::timegm(&parts) : ::mktime(&parts);
    if (seconds < 0) return std::nullopt;
    return std::int64_t{seconds} * 1000;
  }
  return std::nullopt;
}

std::string time_text(double wall_ms) {
  if (wall_ms <= 0) return "-";
  const auto seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char out[32] = {};
  std::strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", &local);
  return out;
}

}  // namespace tg::ctl
