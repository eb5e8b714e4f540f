#include "local-broker/mqtt/topic.h"

#include <algorithm>

#include "local-broker/mqtt/utf8.h"

namespace tg::mqtt {
namespace {

constexpr std::size_t kMaxLength = 65'535;

bool has_wildcard(std::string_view text) {
  return text.find_first_of("+#") != std::string_view::npos;
}

}  // namespace

bool is_valid_topic_name(std::string_view topic) {
  return !topic.empty() && topic.size() <= kMaxLength && !has_wildcard(topic) &&
         is_valid_utf8(topic);
}

bool is_valid_topic_filter(std::string_view filter) {
  if (filter.empty() || filter.size() > kMaxLength || !is_valid_utf8(filter)) return false;
  Levels levels(filter);
  for (std::string_view level; levels.next(level);) {
    if (!has_wildcard(level)) continue;
    if (level.size() != 1) return false;  // [MQTT-4.7.1-2], [MQTT-4.7.1-3]
    if (level == "#" && !levels.at_end()) return false;
  }
  return true;
}

bool filter_matches(std::string_view filter, std::string_view topic) {
  const bool wildcard = filter.starts_with('+') || filter.starts_with('#');
  if (wildcard && topic.starts_with('$')) return false;  // [MQTT-4.7.2-1]
  Levels filters(filter);
  Levels topics(topic);
  std::string_view wanted;
  std::string_view level;
  while (filters.next(wanted)) {
    if (wanted == "#") return true;  // the parent level too [MQTT-4.7.1-2]
    if (!topics.next(level)) return false;
    if (wanted != "+" && wanted != level) return false;
  }
  return topics.at_end();
}

std::size_t level_count(std::string_view topic) {
  return 1 + static_cast<std::size_t>(std::count(topic.begin(), topic.end(), '/'));
}

}  // namespace tg::mqtt
