#include "daemon/uplink/topic_map.h"

#include <vector>

#include "local-broker/mqtt/topic.h"

namespace tg::uplink {

namespace {

std::vector<std::string_view> levels_of(std::string_view text) {
  std::vector<std::string_view> levels;
  while (true) {
    const std::size_t slash = text.find('/');
    levels.push_back(text.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    text.remove_prefix(slash + 1);
  }
}

}  // namespace

std::optional<std::string> map_topic(std::string_view from, std::string_view to,
                                     std::string_view topic) {
  if (!mqtt::filter_matches(from, topic)) return std::nullopt;
  const auto filter = levels_of(from);
  const auto levels = levels_of(topic);
  std::vector<std::string_view> matched;
  for (std::size_t i = 0; i < filter.size(); ++i) {
    if (filter[i] == "+") matched.push_back(levels[i]);
    if (filter[i] != "#") continue;
    // All that is left, or nothing: a/# matches a, too.
    const bool has_rest = i < levels.size();
    matched.push_back(has_rest
                          ? topic.substr(static_cast<std::size_t>(levels[i].data() - topic.data()))
                          : std::string_view());
  }
  std::string out;
  std::size_t next = 0;
  const auto parts = levels_of(to);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool is_wildcard = parts[i] == "+" || parts[i] == "#";
    if (is_wildcard && next >= matched.size()) return std::nullopt;  // not a pair of filters
    const std::string_view part = is_wildcard ? matched[next++] : parts[i];
    const bool is_empty_rest = parts[i] == "#" && part.data() == nullptr;
    if (is_empty_rest) break;
    if (i > 0) out += '/';
    out += part;
  }
  return out;
}

}  // namespace tg::uplink
