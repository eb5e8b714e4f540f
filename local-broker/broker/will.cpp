// Wills: published when a connection ends without DISCONNECT [MQTT-3.1.2-8]. They pass through the
// hook like any publish; one that finds no room waits for resume_held().
#include <utility>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

constexpr std::size_t kMaxHeldWills = 10'000;

// False: no room.
bool publish_will(Core& core, const OwedWill& owed) {
  MessageFields message = owed.will.message->fields();
  const auto& expiry_s = owed.will.expiry_s;
  if (expiry_s) message.expires_at_ms = core.now_ms + std::int64_t{*expiry_s} * 1000;
  TopicEntry* topic = topic_entry(core, message.topic);
  if (topic == nullptr || mqtt::level_count(message.topic) > core.options.max_topic_levels ||
      message.topic.starts_with("$SYS/") ||
      !core.hooks.authorise(owed.client, Access::kPublish, message.topic)) {
    ++core.counts.denied;
    return true;
  }
  if (core.store.keeps()) {
    const Intake room = core.store.admit(owed.will.message->size());
    if (room == Intake::kHold) return false;
    if (room == Intake::kRefuse) {
      ++core.counts.refused;
      return true;
    }
  }
  const Intake intake =
      core.hooks.on_publish({owed.client, message.topic, message.payload, message.properties,
                             message.qos, owed.will.retain, true, expiry_s},
                            make_token(Sessions::kMax - 1, 0));
  if (intake == Intake::kHold) return false;
  if (intake == Intake::kRefuse) {
    ++core.counts.refused;
    return true;
  }
  ++core.counts.wills;
  if (owed.will.retain) retain(core, message);
  deliver(core, *topic, message, nullptr, owed.will.retain);
  return true;
}

}  // namespace

void owe_will(Core& core, Connection& connection) {
  Session& session = *connection.session;
  Will will = std::move(*connection.will);
  connection.will.reset();
  if (will.delay_ms == 0 || session.is_transient()) {
    core.wills.push_back({session.client, std::move(will)});
    return;
  }
  const std::int64_t due_ms = core.now_ms + will.delay_ms;
  session.will = std::make_unique<DelayedWill>(session, std::move(will));
  core.wheel.arm(session.will->timer, due_ms);
}

void owe_delayed_will(Core& core, Session& session) {
  core.wills.push_back({session.client, std::move(session.will->will)});
  session.will.reset();
}

void publish_wills(Core& core) {
  core.work = 0;
  while (!core.wills.empty() && !is_turn_over(core)) {
    OwedWill owed = std::move(core.wills.front());
    core.wills.pop_front();
    if (publish_will(core, owed)) continue;
    if (core.held_wills.size() >= kMaxHeldWills || !has_room_for_message(core)) {
      ++core.counts.dropped;
      continue;
    }
    core.held_wills.push_back(std::move(owed));
  }
}

}  // namespace tg::broker
