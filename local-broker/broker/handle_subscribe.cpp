// SUBSCRIBE and UNSUBSCRIBE.
#include <algorithm>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"

namespace tg::broker {
namespace {

using mqtt::Reason;

// The answer to one filter: the granted QoS, or a failure.
std::uint8_t answer_of(mqtt::Version version, Reason failure) {
  return version == mqtt::Version::k5 ? static_cast<std::uint8_t>(failure) : mqtt::kSubackFailure;
}

bool is_refused(std::uint8_t code) { return code >= mqtt::kSubackFailure; }

// The answer; `known`: the session had this filter before.
std::uint8_t subscribe(Core& core, Connection& connection, const mqtt::FilterRequest& request,
                       std::uint32_t subscription_id, bool& known) {
  Session& session = *connection.session;
  if (mqtt::level_count(request.filter) > core.options.max_topic_levels) {
    ++core.counts.denied;
    return answer_of(connection.version, Reason::kTopicFilterInvalid);
  }
  if (!core.hooks.authorise(session.client, Access::kSubscribe, request.filter)) {
    ++core.counts.denied;
    return answer_of(connection.version, Reason::kNotAuthorised);
  }
  const auto outcome =
      core.subscriptions.add(session, request, subscription_id, core.options.max_subscriptions);
  if (outcome == Subscriptions::Outcome::kLimit) {
    if (core.limit_log.allow(core.now_ms)) {
      log::warning(kLog, "{} has max_subscriptions of them: {} was refused",
                   session.client.client_id, request.filter);
    }
    return answer_of(connection.version, Reason::kQuotaExceeded);
  }
  known = outcome == Subscriptions::Outcome::kReplaced;
  return request.options & mqtt::kOptionQos;
}

bool wants_retained(const mqtt::FilterRequest& request, bool known) {
  if (!request.group.empty()) return false;  // a shared subscription gets none
  const unsigned handling = request.options & mqtt::kOptionRetainHandling;
  return handling == 0 || (handling == mqtt::kRetainIfNew && !known);
}

}  // namespace

void handle_subscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::FiltersHead head;
  if (const auto fault = mqtt::decode_subscribe(connection.version, frame, head, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  Session& session = *connection.session;
  core.codes.clear();
  for (auto& request : core.filters) {
    bool known = false;
    const auto code = subscribe(core, connection, request, head.subscription_id, known);
    core.codes.push_back(code);
    if (is_refused(code) || !wants_retained(request, known)) request.filter = {};
  }
  core.packet.clear();
  mqtt::append_suback(core.packet, connection.version, head.packet_id, core.codes);
  write_packet(core, connection);
  if (connection.closing) return;
  for (std::size_t i = 0; i < core.filters.size(); ++i) {
    if (core.filters[i].filter.empty()) continue;
    replay_retained(core, session, core.filters[i].filter, core.codes[i], head.subscription_id);
  }
  if (session.outbound.has_queued()) pump(core, connection);
}

void handle_unsubscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::FiltersHead head;
  if (const auto fault = mqtt::decode_unsubscribe(connection.version, frame, head, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  core.codes.clear();
  for (const auto& request : core.filters) {
    const bool existed = core.subscriptions.remove(*connection.session, request);
    core.codes.push_back(
        static_cast<std::uint8_t>(existed ? Reason::kSuccess : Reason::kNoSubscriptionExisted));
  }
  core.packet.clear();
  mqtt::append_unsuback(core.packet, connection.version, head.packet_id, core.codes);
  write_packet(core, connection);
}

}  // namespace tg::broker
