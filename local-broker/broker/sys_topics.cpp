// What the broker says about itself: counters, gauges, and the $SYS topics that mosquitto's users
// know.
#include <fmt/core.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

constexpr const char* kSysVersion = "tidegate";

void publish_sys(Core& core, std::string_view name, const std::string& value) {
  const std::string topic = fmt::format("$SYS/broker/{}", name);
  const MessageFields message{topic, value, {}, 0};
  retain(core, message);
  if (TopicEntry* entry = topic_entry(core, topic)) deliver(core, *entry, message, nullptr, true);
}

void publish_sys_topics(Core& core) {
  const BrokerStats stats = stats_of(core);
  const Counts& counts = core.counts;
  const auto number = [&core](std::string_view name, std::uint64_t value) {
    publish_sys(core, name, std::to_string(value));
  };
  publish_sys(core, "version", kSysVersion);
  publish_sys(core, "uptime", fmt::format("{} seconds", (core.now_ms - core.started_ms) / 1000));
  number("clients/connected", stats.connections);
  number("clients/disconnected", stats.sessions - std::min(stats.sessions, stats.connections));
  number("clients/total", stats.sessions);
  number("clients/expired", counts.expired);
  number("subscriptions/count", stats.subscriptions);
  number("retained messages/count", stats.retained);
  number("publish/messages/received", counts.received);
  number("publish/messages/sent", counts.delivered);
  number("publish/messages/dropped", counts.dropped);
  number("bytes/received", counts.bytes_in);
  number("bytes/sent", counts.bytes_out);
}

void report_counts(Core& core) {
  const Counts& c = core.counts;
  const std::array<std::uint64_t, std::tuple_size_v<decltype(core.reports)>> values = {
      c.received,  c.delivered, c.dropped,     c.denied, c.refused, c.bytes_in,
      c.bytes_out, c.connected, c.turned_away, c.wills,  c.expired};
  for (std::size_t i = 0; i < values.size(); ++i) {
    core.reports[i].counter.add(values[i] - core.reports[i].reported);
    core.reports[i].reported = values[i];
  }
  const BrokerStats stats = stats_of(core);
  const std::array<std::size_t, std::tuple_size_v<decltype(core.gauges)>> levels = {
      stats.connections, stats.sessions, stats.subscriptions, stats.retained, stats.memory};
  for (std::size_t i = 0; i < levels.size(); ++i) {
    core.gauges[i].set(static_cast<double>(levels[i]));
  }
}

}  // namespace

BrokerStats stats_of(const Core& core) {
  BrokerStats stats;
  stats.connections = core.connections.size();
  stats.sessions = core.sessions.size();
  stats.subscriptions = core.subscriptions.size();
  stats.retained = core.retained.size();
  stats.received = core.counts.received;
  stats.delivered = core.counts.delivered;
  stats.dropped = core.counts.dropped;
  stats.memory = memory_of(core) + core.retained.bytes() + core.topics.bytes();
  return stats;
}

void report(Core& core) {
  if (core.now_ms >= core.next_second_ms) {
    core.next_second_ms = core.now_ms + 1000;
    report_counts(core);
  }
  if (core.options.sys_interval_s > 0 && core.now_ms >= core.next_sys_ms) {
    core.next_sys_ms = core.now_ms + std::int64_t{core.options.sys_interval_s} * 1000;
    publish_sys_topics(core);
  }
}

}  // namespace tg::broker
