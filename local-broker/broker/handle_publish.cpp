// PUBLISH: offered to the hook first, then to the retained set and the subscribers.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::PacketType;
using mqtt::Publish;

PacketType ack_of(const Publish& publish) {
  return publish.qos == 1 ? PacketType::kPuback : PacketType::kPubrec;
}

void acknowledge_now(Core& core, Connection& connection, const Publish& publish) {
  if (publish.qos > 0) acknowledge(core, connection, ack_of(publish), publish.packet_id);
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

// Before version 5 there is no way to say no: it is acknowledged and goes nowhere [MQTT-3.3.5-2].
bool is_denied(Core& core, const Connection& connection, const Publish& publish) {
  const bool too_deep = mqtt::level_count(publish.topic) > core.options.max_topic_levels;
  if (!too_deep && !publish.topic.starts_with("$SYS/") &&
      core.hooks.authorise(connection.session->client, Access::kPublish, publish.topic)) {
    return false;
  }
  ++core.counts.denied;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog, "publish of {} on {} was dropped: {}", connection.session->client.client_id,
                 publish.topic, too_deep ? "too many levels" : "not authorised");
  }
  return true;
}

void hold(Core& core, Connection& connection) {
  pause(connection, kHeld);
  core.held.push_back(connection.id);
}

// The publish stays unacknowledged; the client sends it again when it reconnects.
void refuse(Core& core, Connection& connection) {
  ++core.counts.refused;
  if (connection.refused_until_ms != 0) return;
  connection.refused_until_ms = core.now_ms + core.options.refuse_grace_ms;
  arm_timer(core, connection);
}

// After kDone or kPending.
void accept(Core& core, Connection& connection, const Publish& publish, Intake intake,
            std::uint64_t serial) {
  AckQueue& acks = connection.session->acks;
  if (publish.qos == 2) acks.hold_id(publish.packet_id);
  if (intake == Intake::kDone) {
    acknowledge_now(core, connection, publish);
  } else if (publish.qos > 0) {
    acks.push_pending(serial, ack_of(publish), publish.packet_id);
  }
  if (acks.size() >= core.options.receive_maximum) pause(connection, kWindowFull);
}

}  // namespace

bool handle_publish(Core& core, Connection& connection, const mqtt::Frame& frame) {
  Publish publish;
  if (const Fault fault =
          mqtt::decode_publish(connection.version, frame.flags, frame.body, publish);
      fault != Fault::kNone) {
    close_for(core, connection, fault);
    return true;
  }
  TopicEntry* topic = topic_entry(core, publish.topic);
  if (topic == nullptr) {
    close_for(core, connection, Fault::kTopic);  // [MQTT-3.3.2-2], [MQTT-4.7.3-1]
    return true;
  }
  const std::uint64_t serial = ++core.last_serial;
  if (is_resent(core, connection, publish, serial)) return true;
  const Session& session = *connection.session;
  Intake intake = Intake::kDone;
  const bool denied = is_denied(core, connection, publish);
  if (!denied) {
    intake = core.hooks.on_publish({session.client, publish.topic, publish.payload,
                                    publish.properties, publish.qos, publish.retain, false},
                                   make_token(session.slot, serial));
  }
  if (intake == Intake::kHold) {
    hold(core, connection);
    return false;
  }
  ++core.counts.received;
  if (intake == Intake::kRefuse) {
    if (publish.qos > 0) refuse(core, connection);
    return true;
  }
  accept(core, connection, publish, intake, serial);
  if (denied) return true;
  const MessageFields message{publish.topic, publish.payload, publish.properties, publish.qos};
  if (publish.retain) retain(core, message);
  deliver(core, *topic, message);
  return true;
}

}  // namespace tg::broker
