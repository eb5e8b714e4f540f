#include "daemon/base/publish_limits.h"

#include <fmt/format.h>

#include <algorithm>

namespace tg {

namespace {

constexpr std::string_view kBasicIngest = "$aws/rules/";

std::string_view what_counts(std::string_view topic) {
  if (!topic.starts_with(kBasicIngest)) return topic;
  const std::size_t slash = topic.find('/', kBasicIngest.size());
  return slash == std::string_view::npos ? topic : topic.substr(slash + 1);
}

}  // namespace

std::optional<std::string> topic_problem(std::string_view topic, const PublishLimits& limits) {
  const std::string_view counted = what_counts(topic);
  const auto levels = static_cast<std::size_t>(std::count(counted.begin(), counted.end(), '/')) + 1;
  if (levels > limits.topic_levels) {
    return fmt::format("a topic of {} levels, and the cloud takes {}", levels, limits.topic_levels);
  }
  if (counted.size() > limits.topic_bytes) {
    return fmt::format("a topic of {} bytes, and the cloud takes {}", counted.size(),
                       limits.topic_bytes);
  }
  return {};
}

}  // namespace tg
