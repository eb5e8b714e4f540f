// SUBSCRIBE and UNSUBSCRIBE.
#include <algorithm>
#include <utility>

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
  if (!has_room(core)) {
    ++core.counts.subscriptions_refused;
    return answer_of(connection.version, Reason::kQuotaExceeded);
  }
  const auto outcome =
      core.subscriptions.add(session, request, subscription_id, core.options.max_subscriptions);
  if (outcome == Subscriptions::Outcome::kLimit) {
    ++core.counts.subscriptions_refused;
    if (core.limit_log.allow(core.now_ms)) {
      log::warning(kLog, "{} has max_subscriptions of them: {} was refused",
                   session.client.client_id, request.filter);
    }
    return answer_of(connection.version, Reason::kQuotaExceeded);
  }
  known = outcome == Subscriptions::Outcome::kReplaced;
  if (session.stored != 0) core.store.put_subscription(session.stored, request, subscription_id);
  return request.options & mqtt::kOptionQos;
}

bool wants_retained(const mqtt::FilterRequest& request, bool known) {
  if (!request.group.empty()) return false;  // a shared subscription gets none
  const unsigned handling = request.options & mqtt::kOptionRetainHandling;
  return handling == 0 || (handling == mqtt::kRetainIfNew && !known);
}

void owe(Core& core, Connection& connection, OwedAnswer answer) {
  connection.owed = std::make_unique<OwedAnswer>(std::move(answer));
  core.owed_bytes += connection.owed->bytes();
}

// Of one filter, as far as this turn goes.
void give_retained(Core& core, Session& session, OwedAnswer& answer) {
  const auto& replay = answer.replays[answer.given];
  auto& matched = answer.matched;
  if (matched.empty()) matched = match_retained(core, replay.filter);
  for (; answer.looked_at < matched.size() && !is_turn_over(core); ++answer.looked_at) {
    replay_retained(core, session, matched[answer.looked_at], replay.qos, replay.subscription_id);
  }
  if (answer.looked_at < matched.size()) return;
  matched = {};
  answer.looked_at = 0;
  ++answer.given;
}

// The answer first. Retained messages that this turn has no time for stay owed.
void give(Core& core, Connection& connection, OwedAnswer answer) {
  Session& session = *connection.session;
  if (!answer.packet.empty()) {
    core.packet = std::exchange(answer.packet, {});
    write_packet(core, connection);
  }
  while (answer.given < answer.replays.size() && !is_turn_over(core) && !connection.closing) {
    give_retained(core, session, answer);
  }
  if (connection.closing) return;
  if (answer.given < answer.replays.size()) owe(core, connection, std::move(answer));
  if (session.outbound.has_queued()) pump(core, connection);
}

// Of core.codes; with why the first refused filter was refused.
std::string suback_of(Core& core, const Connection& connection, std::uint16_t packet_id) {
  const auto append = [&](std::string& out, std::string_view properties) {
    mqtt::append_suback(out, connection.version, packet_id, core.codes, properties);
  };
  const auto refused = std::find_if(core.codes.begin(), core.codes.end(), is_refused);
  std::string packet;
  if (refused == core.codes.end() || connection.version != mqtt::Version::k5 ||
      !connection.wants_reasons) {
    append(packet, {});
  } else {
    explain(core, connection, mqtt::reason_text(static_cast<Reason>(*refused)), append);
    packet = core.packet;
  }
  return packet;
}

// At once, or for a stored session when it is durable: an answer says that the subscription lasts
// as long as the session. Until then nothing more is read from the client.
void give_when_durable(Core& core, Connection& connection, OwedAnswer answer) {
  const Session& session = *connection.session;
  if (session.stored == 0) {
    give(core, connection, std::move(answer));
    return;
  }
  answer.serial = await_commit(core, session);
  owe(core, connection, std::move(answer));
  pause(connection, kCommitting);
}

}  // namespace

void give_owed(Core& core, Connection& connection) {
  const auto answer = std::move(connection.owed);
  core.owed_bytes -= answer->bytes();
  core.work = 0;
  give(core, connection, std::move(*answer));
  if (!connection.closing) resume(core, connection, kCommitting);
}

bool is_giving(const Connection& connection) {
  return connection.owed != nullptr && (connection.paused & kCommitting) == 0;
}

void handle_subscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::FiltersHead head;
  if (const auto fault = mqtt::decode_subscribe(connection.version, frame, head, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  OwedAnswer answer;
  core.codes.clear();
  for (const auto& request : core.filters) {
    bool known = false;
    const auto code = subscribe(core, connection, request, head.subscription_id, known);
    core.codes.push_back(code);
    if (is_refused(code) || !wants_retained(request, known)) continue;
    answer.replays.push_back({std::string(request.filter), code, head.subscription_id});
  }
  answer.packet = suback_of(core, connection, head.packet_id);
  give_when_durable(core, connection, std::move(answer));
}

void handle_unsubscribe(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::FiltersHead head;
  if (const auto fault = mqtt::decode_unsubscribe(connection.version, frame, head, core.filters);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  Session& session = *connection.session;
  core.codes.clear();
  for (const auto& request : core.filters) {
    const bool existed = core.subscriptions.remove(session, request);
    if (existed && session.stored != 0) core.store.erase_subscription(session.stored, request);
    core.codes.push_back(
        static_cast<std::uint8_t>(existed ? Reason::kSuccess : Reason::kNoSubscriptionExisted));
  }
  OwedAnswer answer;
  mqtt::append_unsuback(answer.packet, connection.version, head.packet_id, core.codes);
  give_when_durable(core, connection, std::move(answer));
}

}  // namespace tg::broker
