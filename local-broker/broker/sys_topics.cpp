#include "local-broker/broker/sys_topics.h"

#include <fmt/core.h>

#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

constexpr std::array<const char*, 3> kSpans = {"1min", "5min", "15min"};
constexpr std::array<double, 3> kSpanSeconds = {60, 300, 900};
constexpr std::array<const char*, kLoads> kLoadNames = {
    "messages/received", "messages/sent", "publish/received", "publish/sent", "publish/dropped",
    "bytes/received",    "bytes/sent",    "connections",      "sockets"};

std::array<std::uint64_t, kLoads> load_counts(const Counts& c) {
  return {c.packets_in, c.packets_out, c.received,  c.delivered, c.dropped,
          c.bytes_in,   c.bytes_out,   c.connected, c.sockets};
}

void say(Core& core, std::string_view name, std::string value) {
  std::string topic = fmt::format("$SYS/broker/{}", name);
  std::string& last = core.sys.said[topic];
  if (last == value) return;
  const MessageFields message{topic, value, {}, 0};
  const bool is_retained = retain(core, message);
  if (TopicEntry* entry = topic_entry(core, topic)) deliver(core, *entry, message, nullptr, true);
  // What found no memory is said again, changed or not.
  last = is_retained ? std::move(value) : std::string();
}

// As mosquitto has it: an exponential average of the events of a minute.
void say_loads(Core& core) {
  SysTopics& sys = core.sys;
  const double seconds = static_cast<double>(core.now_ms - sys.loads_at_ms) / 1000;
  const auto counted = load_counts(core.counts);
  for (std::size_t i = 0; i < kLoads && seconds > 0; ++i) {
    const double per_minute = static_cast<double>(counted[i] - sys.counted[i]) * 60 / seconds;
    for (std::size_t span = 0; span < kSpans.size(); ++span) {
      double& load = sys.loads[i][span];
      load = per_minute + std::exp(-seconds / kSpanSeconds[span]) * (load - per_minute);
      say(core, fmt::format("load/{}/{}", kLoadNames[i], kSpans[span]),
          fmt::format("{:.2f}", load));
    }
  }
  sys.counted = counted;
  sys.loads_at_ms = core.now_ms;
}

void say_clients(Core& core) {
  const std::size_t away = core.sessions.size() - core.connected;
  const auto number = [&core](const char* name, std::size_t value) {
    say(core, name, std::to_string(value));
  };
  number("clients/connected", core.connected);
  number("clients/active", core.connected);  // an older name, as is inactive
  number("clients/disconnected", away);
  number("clients/inactive", away);
  number("clients/total", core.sessions.size());
  number("clients/maximum", core.most_connected);
  number("clients/expired", core.counts.expired);
}

void say_counts(Core& core) {
  const Counts& counts = core.counts;
  const auto number = [&core](const char* name, std::uint64_t value) {
    say(core, name, std::to_string(value));
  };
  number("messages/received", counts.packets_in);
  number("messages/sent", counts.packets_out);
  number("publish/messages/received", counts.received);
  number("publish/messages/sent", counts.delivered);
  number("publish/messages/dropped", counts.dropped);
  number("publish/bytes/received", counts.payload_in);
  number("publish/bytes/sent", counts.payload_out);
  number("bytes/received", counts.bytes_in);
  number("bytes/sent", counts.bytes_out);
  number("subscriptions/count", core.subscriptions.size());
  number("shared_subscriptions/count", core.subscriptions.shared());
  number("store/messages/count", core.messages.count);
  number("store/messages/bytes", core.messages.bytes);
  number("messages/stored", core.messages.count);  // an older name
  number("retained messages/count", core.retained.size());
}

void publish_sys_topics(Core& core) {
  say(core, "version", fmt::format("tidegate version {}", core.options.version));
  say(core, "uptime", fmt::format("{} seconds", (core.now_ms - core.started_ms) / 1000));
  say_clients(core);
  say_counts(core);
  say_loads(core);
}

void report_counts(Core& core) {
  const Counts& c = core.counts;
  const std::array<std::uint64_t, std::tuple_size_v<decltype(core.reports)>> values = {
      c.received,  c.delivered, c.dropped,     c.denied, c.refused, c.bytes_in,
      c.bytes_out, c.connected, c.turned_away, c.wills,  c.expired, c.subscriptions_refused};
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
  stats.memory = memory_of(core);
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
