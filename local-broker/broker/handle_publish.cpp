// PUBLISH: offered to the hook first, then to the retained set and the subscribers.
#include <optional>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/properties.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::PacketType;
using mqtt::Publish;
using mqtt::Reason;

PacketType ack_of(const Publish& publish) {
  return publish.qos == 1 ? PacketType::kPuback : PacketType::kPubrec;
}

void acknowledge_now(Core& core, Connection& connection, const Publish& publish,
                     Reason reason = Reason::kSuccess) {
  if (publish.qos > 0) acknowledge(core, connection, ack_of(publish), publish.packet_id, reason);
}

// The topic behind an alias, or the alias for a topic.
Fault resolve_alias(Core& core, Connection& connection, std::uint16_t alias, Publish& publish) {
  if (alias == 0 || alias > core.options.topic_alias_maximum) return Fault::kTopicAlias;
  auto& topics = connection.v5->aliases_in;
  if (topics.size() < alias) topics.resize(alias);
  std::string& topic = topics[alias - 1];
  if (publish.topic.empty()) {
    publish.topic = topic;
    return topic.empty() ? Fault::kPropertyValue : Fault::kNone;
  }
  if (!has_room(core, publish.topic.size())) return Fault::kNoMemory;
  core.alias_bytes += publish.topic.size();
  core.alias_bytes -= topic.size();
  topic = publish.topic;
  return Fault::kNone;
}

// What MQTT 5 adds. publish.properties becomes what receivers get of them.
Fault read_properties(Core& core, Connection& connection, Publish& publish,
                      std::optional<std::uint32_t>& expiry_s) {
  mqtt::PublishProperties properties;
  const Fault fault = mqtt::read_publish_properties(publish.properties, properties);
  if (fault != Fault::kNone) return fault;
  expiry_s = properties.expiry_s;
  if (!properties.verbatim) {
    core.passed_on.clear();
    mqtt::append_passed_on(core.passed_on, publish.properties);
    publish.properties = core.passed_on;
  }
  if (properties.topic_alias) {
    return resolve_alias(core, connection, *properties.topic_alias, publish);
  }
  return publish.topic.empty() ? Fault::kPropertyValue : Fault::kNone;
}

// One more than the client may have towards us.
bool is_over_receive_maximum(const Core& core, const Connection& connection,
                             const Publish& publish) {
  if (publish.qos == 0 || connection.version != mqtt::Version::k5) return false;
  const AckQueue& acks = connection.session->acks;
  return acks.unfinished() >= core.options.receive_maximum && !acks.holds_id(publish.packet_id);
}

// True when this publish was offered before: it gets its acknowledgement and no more.
bool is_resent(Core& core, Connection& connection, const Publish& publish, std::uint64_t serial) {
  if (publish.qos == 0) return false;
  AckQueue& acks = connection.session->acks;
  const bool held = publish.qos == 2 && acks.holds_id(publish.packet_id);  // [MQTT-4.3.3-2]
  if (!held && !publish.dup) return false;
  if (acks.join(ack_of(publish), publish.packet_id, serial)) return true;
  if (held) acknowledge_now(core, connection, publish);
  return held;
}

// Its packet id is held until PUBREL. A window of them is a client's due; before version 5 nothing
// keeps it to that, and more leave room to others, as messages do.
bool has_room_for_id(const Core& core, const Connection& connection) {
  const bool is_within = connection.session->acks.unfinished() < core.options.receive_maximum;
  return is_within ? has_room(core) : has_room_for_message(core);
}

// Why the publish goes nowhere, or kSuccess. Before version 5 there is no way to say so: it is
// acknowledged [MQTT-3.3.5-2].
Reason denial(Core& core, const Connection& connection, const Publish& publish,
              const TopicEntry& topic) {
  const bool too_deep = topic.levels > core.options.max_topic_levels;
  if (!too_deep && !publish.topic.starts_with("$SYS/") &&
      core.hooks.authorise(connection.session->client, Access::kPublish, publish.topic)) {
    return Reason::kSuccess;
  }
  ++core.counts.denied;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog, {{"CLIENT", connection.session->client.client_id}, {"TOPIC", publish.topic}},
                 "publish of {} on {} was dropped: {}", connection.session->client.client_id,
                 publish.topic, too_deep ? "too many levels" : "not authorised");
  }
  return too_deep ? Reason::kTopicNameInvalid : Reason::kNotAuthorised;
}

void hold(Core& core, Connection& connection) {
  pause(connection, kHeld);
  core.held.push_back(connection.id);
}

// Version 5 is told. Before it the publish stays unacknowledged; the client sends it again when it
// reconnects.
void refuse(Core& core, Connection& connection, const Publish& publish) {
  ++core.counts.refused;
  if (connection.version == mqtt::Version::k5) {
    acknowledge_now(core, connection, publish, Reason::kQuotaExceeded);
    return;
  }
  if (connection.refused_until_ms != 0) return;
  connection.refused_until_ms = core.now_ms + core.options.refuse_grace_ms;
  arm_timer(core, connection);
}

// After kDone or kPending. `reason` is the answer when it is given now. `is_kept`: what the session
// store gets of it is waited for.
void accept(Core& core, Connection& connection, const Publish& publish, Intake intake, bool is_kept,
            std::uint64_t serial, Reason reason) {
  Session& session = *connection.session;
  AckQueue& acks = session.acks;
  const bool answered_no = is_failure(reason) && connection.version == mqtt::Version::k5;
  if (publish.qos == 2 && !answered_no) {
    acks.hold_id(publish.packet_id);
    if (session.stored != 0) core.store.hold(session.stored, publish.packet_id);
  }
  const int obligations = (intake == Intake::kPending ? 1 : 0) + (is_kept ? 1 : 0);
  if (obligations == 0) {
    acknowledge_now(core, connection, publish, reason);
  } else if (publish.qos > 0) {
    acks.push_pending(serial, ack_of(publish), publish.packet_id,
                      static_cast<std::uint8_t>(obligations));
    if (is_kept) core.store.await(make_token(session.slot, serial));
  }
  // A version 5 client knows the limit: one that passes it is ended, not held back.
  if (connection.version != mqtt::Version::k5 && acks.size() >= core.options.receive_maximum) {
    pause(connection, kWindowFull);
  }
}

// What is acknowledged must not be lost to a lasting session for want of memory. (Its queue has
// limits of its own, with a policy of their own.)
bool has_room_to_keep(const Core& core, const Publish& publish, const TopicEntry& topic) {
  if (publish.qos == 0 || !topic.has_lasting) return true;
  return has_room_for_message(core, sizeof(Message) + publish.topic.size() +
                                        publish.properties.size() + publish.payload.size() +
                                        topic.targets.size() * sizeof(Queued));
}

// Have memory and the session store room for what they would get?
Intake admit(Core& core, const Publish& publish, const TopicEntry& topic, bool is_kept) {
  if (!has_room_to_keep(core, publish, topic)) return Intake::kRefuse;
  if (!is_kept && !(publish.retain && core.store.keeps())) return Intake::kDone;
  return core.store.admit(publish.topic.size() + publish.properties.size() +
                          publish.payload.size());
}

// The topic's entry, or null and a fault.
TopicEntry* check(Core& core, Connection& connection, const mqtt::Frame& frame, Publish& publish,
                  std::optional<std::uint32_t>& expiry_s, Fault& fault) {
  fault = mqtt::decode_publish(connection.version, frame.flags, frame.body, publish);
  if (fault == Fault::kNone && connection.version == mqtt::Version::k5) {
    fault = read_properties(core, connection, publish, expiry_s);
  }
  if (fault == Fault::kNone && is_over_receive_maximum(core, connection, publish)) {
    fault = Fault::kReceiveMaximum;
  }
  if (fault != Fault::kNone) return nullptr;
  TopicEntry* topic = topic_entry(core, publish.topic);
  if (topic == nullptr) fault = Fault::kTopic;  // [MQTT-3.3.2-2], [MQTT-4.7.3-1]
  return topic;
}

}  // namespace

bool handle_publish(Core& core, Connection& connection, const mqtt::Frame& frame) {
  Publish publish;
  std::optional<std::uint32_t> expiry_s;
  Fault fault = Fault::kNone;
  TopicEntry* topic = check(core, connection, frame, publish, expiry_s, fault);
  if (topic == nullptr) {
    close_for(core, connection, fault);
    return true;
  }
  const std::uint64_t serial = ++core.last_serial;
  if (is_resent(core, connection, publish, serial)) return true;
  const Session& session = *connection.session;
  Reason reason = denial(core, connection, publish, *topic);
  const bool denied = is_failure(reason);
  const bool is_kept = !denied && must_commit(core, session, *topic, publish);
  Intake intake = denied ? Intake::kDone : admit(core, publish, *topic, is_kept);
  if (publish.qos == 2 && !has_room_for_id(core, connection)) intake = Intake::kRefuse;
  const bool may_keep = intake == Intake::kDone;
  if (publish.qos == 0 && intake == Intake::kRefuse) intake = Intake::kDone;
  if (!denied && intake == Intake::kDone) {
    intake =
        core.hooks.on_publish({session.client, publish.topic, publish.payload, publish.properties,
                               publish.qos, publish.retain, false, expiry_s},
                              make_token(session.slot, serial));
  }
  if (intake == Intake::kHold) {
    hold(core, connection);
    return false;
  }
  ++core.counts.received;
  core.counts.payload_in += publish.payload.size();
  if (intake == Intake::kRefuse) {
    if (publish.qos > 0) refuse(core, connection, publish);
    return true;
  }
  if (!denied && !topic->has_receivers()) reason = Reason::kNoMatchingSubscribers;
  accept(core, connection, publish, intake, is_kept, serial, reason);
  if (denied) return true;
  MessageFields message{publish.topic, publish.payload, publish.properties, publish.qos};
  if (expiry_s) message.expires_at_ms = core.now_ms + std::int64_t{*expiry_s} * 1000;
  if (publish.retain) retain(core, message, may_keep);
  deliver(core, *topic, message, &session, publish.retain);
  return true;
}

}  // namespace tg::broker
