#include "daemon/pipeline/router.h"

#include <algorithm>
#include <utility>

#include "local-broker/mqtt/topic.h"

namespace tg::pipeline {
namespace {

constexpr std::size_t kMaxKnownBytes = 4 << 20;
constexpr std::size_t kEntryBytes = 128;  // of the table, about

bool is_command(std::string_view topic) { return topic == "cmd" || topic.starts_with("cmd/"); }

bool route_matches(std::string_view filter, std::string_view topic) {
  const bool leading_wildcard = filter.starts_with('+') || filter.starts_with('#');
  if (leading_wildcard && is_command(topic)) return false;
  return mqtt::filter_matches(filter, topic);
}

}  // namespace

Router::Router(std::vector<Route> routes) : routes_(std::move(routes)) {}

std::span<const store::StreamId> Router::match(std::string_view topic) {
  const auto found = known_.find(topic);
  if (found != known_.end()) return found->second;
  if (known_bytes_ > kMaxKnownBytes) {
    known_.clear();
    known_bytes_ = 0;
  }
  known_bytes_ += topic.size() + kEntryBytes;
  return known_.emplace(std::string(topic), find(topic)).first->second;
}

std::vector<store::StreamId> Router::find(std::string_view topic) const {
  std::vector<store::StreamId> streams;
  for (const auto& route : routes_) {
    const bool matches =
        std::any_of(route.filters.begin(), route.filters.end(),
                    [topic](const std::string& filter) { return route_matches(filter, topic); });
    if (matches) streams.push_back(route.stream);
  }
  std::sort(streams.begin(), streams.end());
  streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
  return streams;
}

}  // namespace tg::pipeline
