#include "local-broker/broker/core.h"

#include <algorithm>
#include <utility>

namespace tg::broker {

const log::Component kLog{"broker"};

namespace {

// A share of a round behind a short tail (receive.cpp), with room to spare.
constexpr std::size_t kReceiveBuffer = 256 * 1024;
// A share of a round, encrypted.
constexpr std::size_t kRawBuffer = 64 * 1024;

constexpr std::size_t kTopicCache = 16U << 20U;

struct Named {
  const char* name;
  const char* help;
};

// In the order of the fields of Counts.
constexpr Named kCounters[] = {
    {"tidegate_broker_received_total", "Publishes from clients"},
    {"tidegate_broker_delivered_total", "Publishes to clients"},
    {"tidegate_broker_dropped_total", "Messages dropped at a limit of a queue"},
    {"tidegate_broker_denied_total", "Publishes and subscriptions not authorised or too deep"},
    {"tidegate_broker_refused_total", "Publishes refused and not acknowledged"},
    {"tidegate_broker_received_bytes_total", "Bytes from clients"},
    {"tidegate_broker_sent_bytes_total", "Bytes to clients"},
    {"tidegate_broker_connected_total", "Clients that were accepted"},
    {"tidegate_broker_turned_away_total", "Connections closed for want of room"},
    {"tidegate_broker_wills_total", "Wills published"},
    {"tidegate_broker_sessions_expired_total", "Persistent sessions that expired"},
    {"tidegate_broker_subscriptions_refused_total", "Subscriptions refused for want of room"},
};
constexpr Named kGauges[] = {
    {"tidegate_broker_connections", "Open connections"},
    {"tidegate_broker_sessions", "Sessions, of clients that are away too"},
    {"tidegate_broker_subscriptions", "Subscriptions"},
    {"tidegate_broker_retained_messages", "Retained messages"},
    {"tidegate_broker_memory_bytes", "Messages, queues, buffers, sessions and subscriptions"},
};

}  // namespace

Core::Core(BrokerOptions broker_options, Hooks& broker_hooks, SessionStore* session_store,
           const Clock& broker_clock, Metrics& metrics)
    : options(std::move(broker_options)),
      hooks(broker_hooks),
      store(session_store != nullptr ? *session_store : no_store),
      clock(broker_clock),
      started_ms(clock.mono_ms()),
      now_ms(started_ms),
      wheel(started_ms),
      topics(std::min<std::size_t>(kTopicCache, options.total_memory / 16)),
      retained(options.max_retained_bytes),
      next_sys_ms(started_ms),
      random(std::random_device{}()),
      receive_buffer(kReceiveBuffer) {
  sys.loads_at_ms = started_ms;
  static_assert(std::size(kCounters) == std::tuple_size_v<decltype(reports)>);
  static_assert(std::size(kGauges) == std::tuple_size_v<decltype(gauges)>);
  for (std::size_t i = 0; i < reports.size(); ++i) {
    reports[i].counter = metrics.counter(kCounters[i].name, kCounters[i].help);
  }
  for (std::size_t i = 0; i < gauges.size(); ++i) {
    gauges[i] = metrics.gauge(kGauges[i].name, kGauges[i].help);
  }
  for (std::size_t i = 1; i < faults.size(); ++i) {
    const auto reason = std::string(mqtt::fault_name(static_cast<mqtt::Fault>(i)));
    faults[i] = metrics.counter("tidegate_broker_malformed_total",
                                "Connections closed for what they sent", {{"reason", reason}});
  }
  for (std::size_t i = 1; i < open_faults.size(); ++i) {
    const auto reason = std::string(fault_name(static_cast<OpenFault>(i)));
    open_faults[i] = metrics.counter("tidegate_broker_opening_failed_total",
                                     "Connections closed before MQTT began", {{"reason", reason}});
  }
  for (std::size_t i = 0; i < refusals.size(); ++i) {
    refusals[i] = metrics.counter("tidegate_broker_connects_refused_total",
                                  "CONNECTs that were refused", {{"reason", kRefusals[i].name}});
  }
  scratch.raw.resize(kRawBuffer);
}

Core::~Core() {
  connections.for_each([this](Connection& connection) { connection.out.clear(pool); });
}

}  // namespace tg::broker
