// SUBSCRIBE and UNSUBSCRIBE.
#include <algorithm>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"

namespace tg::broker {
namespace {

// The return code of one filter: the granted QoS, or a failure.
std::uint8_t subscribe(Core& core, Session& session, const mqtt::FilterRequest& request) {
  // Shared subscriptions are not offered: a filter of that form would mean something else here.
  const bool shared = request.filter.starts_with("$share/");
  if (shared || mqtt::level_count(request.filter) > core.options.max_topic_levels ||
      !core.hooks.authorise(session.client, Access::kSubscribe, request.filter)) {
    ++core.counts.denied;
    return mqtt::kSubackFailure;
  }
  const auto outcome = core.subscriptions.add(session, request.filter, request.options,
                                              core.options.max_subscriptions);
  if (outcome == Subscriptions::Outcome::kLimit) {
    if (core.limit_log.allow(core.now_ms)) {
      log::warning(kLog, "{} has max_subscriptions of them: {} was refused",
                   session.client.client_id, request.filter);
    }
    return mqtt::kSubackFailure;
  }
  return request.options & 3U;
}

}  // namespace

void handle_subscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  std::uint16_t packet_id = 0;
  if (const auto fault = mqtt::decode_subscribe(connection.version, frame, packet_id, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  Session& session = *connection.session;
  core.codes.clear();
  for (const auto& request : core.filters) core.codes.push_back(subscribe(core, session, request));
  core.packet.clear();
  mqtt::append_suback(core.packet, connection.version, packet_id, core.codes);
  write(core, connection, core.packet);
  for (std::size_t i = 0; i < core.filters.size(); ++i) {
    if (core.codes[i] == mqtt::kSubackFailure) continue;
    replay_retained(core, session, core.filters[i].filter, core.codes[i]);
  }
  if (session.outbound.has_queued()) pump(core, connection);
}

void handle_unsubscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  std::uint16_t packet_id = 0;
  if (const auto fault =
          mqtt::decode_unsubscribe(connection.version, frame, packet_id, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  for (const auto& request : core.filters) {
    core.subscriptions.remove(*connection.session, request.filter);
  }
  core.packet.clear();
  mqtt::append_unsuback(core.packet, connection.version, packet_id, core.filters.size());
  write(core, connection, core.packet);
}

}  // namespace tg::broker
