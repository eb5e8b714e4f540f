#include "daemon/pipeline/router.h"

#include <algorithm>
#include <utility>

#include "local-broker/mqtt/topic.h"

namespace tg::pipeline {
namespace {

constexpr std::size_t kMaxKnownBytes = 4 << 20;
constexpr std::size_t kEntryBytes = 128;  // of the table, about

bool is_command(std::string_view topic) { return topic == "cmd" || topic.starts_with("cmd/"); }

}  // namespace

Router::Router(std::vector<Route> routes, std::vector<std::string> bridged)
    : routes_(std::move(routes)), bridged_(std::move(bridged)) {}

bool Router::matches(const Route& route, std::string_view topic) const {
  const bool not_for_wildcards =
      is_command(topic) ||
      std::any_of(bridged_.begin(), bridged_.end(), [topic](const std::string& filter) {
        return mqtt::filter_matches(filter, topic);
      });
  return std::any_of(route.filters.begin(), route.filters.end(), [&](const std::string& filter) {
    const bool leading_wildcard = filter.starts_with('+') || filter.starts_with('#');
    if (leading_wildcard && not_for_wildcards) return false;
    return mqtt::filter_matches(filter, topic);
  });
}

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
    if (matches(route, topic)) streams.push_back(route.stream);
  }
  std::sort(streams.begin(), streams.end());
  streams.erase(std::unique(streams.begin(), streams.end()), streams.end());
  return streams;
}

std::vector<store::StreamId> Router::on_error(std::string_view topic,
                                              store::StreamId stream) const {
  std::vector<store::StreamId> streams;
  for (const auto& route : routes_) {
    if (route.stream != stream || !route.on_error || *route.on_error == stream) continue;
    const bool known = std::find(streams.begin(), streams.end(), *route.on_error) != streams.end();
    if (!known && matches(route, topic)) streams.push_back(*route.on_error);
  }
  return streams;
}

}  // namespace tg::pipeline
