// What goes into the session store.
//
// A message is stored when the first stored copy or the retained set refers to it, and erased with
// the last. A copy is stored from its queueing to its PUBACK or PUBCOMP. What waits for a commit:
// the acknowledgement of a publish that was stored (must_commit), SUBACK and UNSUBACK; for
// exactly-once also PUBCOMP, the first PUBLISH of a QoS 2 copy (its packet id must not name another
// message after a crash) and its PUBREL. PUBLISH at QoS 1 and the receiver's PUBACK and PUBCOMP
// wait for nothing: lost in a crash, they are repeated, which those flows allow.
#include <algorithm>

#include "daemon/base/assert.h"
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

StoredId refer(Core& core, const Message& message) {
  StoredPlace& place = message.stored();
  if (place.references++ == 0) {
    place.id = ++core.last_stored_message;
    core.store.put_message(place.id, message.fields());
  }
  return place.id;
}

void unrefer(Core& core, const Message& message) {
  StoredPlace& place = message.stored();
  TG_ASSERT(place.references > 0);
  if (--place.references > 0) return;
  core.store.erase_message(place.id);
  place.id = 0;
}

StoredCopy stored(const Session& session, const Copy& copy, std::uint16_t packet_id, Await await) {
  StoredCopy row;
  row.id = copy.stored;
  row.session = session.stored;
  row.message = copy.message ? copy.message->stored().id : 0;
  row.subscription_id = copy.subscription_id;
  row.packet_id = packet_id;
  row.qos = copy.qos;
  row.retain = copy.retain;
  row.step = static_cast<std::uint8_t>(await);
  return row;
}

// For so long, as far as its expiry tells.
std::int64_t away_ms(const Core& core, const Session& session) {
  if (!session.expiry.is_armed()) return 0;
  return std::max<std::int64_t>(session.expires_after_ms - (session.expiry.due_ms - core.now_ms),
                                0);
}

// Everything of the session, under a new id.
void keep_all(Core& core, Session& session) {
  session.stored = 0;
  keep_session(core, session);
  core.subscriptions.for_each(session, [&](const mqtt::FilterRequest& request, std::uint32_t id) {
    core.store.put_subscription(session.stored, request, id);
  });
  for (const std::uint16_t id : session.acks.held_ids()) core.store.hold(session.stored, id);
  session.outbound.for_each([&](Copy& copy, const InFlight* sent) {
    if (copy.stored == 0) return;
    copy.stored = ++core.last_stored_copy;
    if (copy.message) refer(core, *copy.message);
    const Await first = copy.qos == 1 ? Await::kPuback : Await::kPubrec;
    core.store.put_copy(stored(session, copy, sent != nullptr ? sent->packet_id : 0,
                               sent != nullptr ? sent->await : first));
  });
}

}  // namespace

void keep_anew(Core& core) {
  if (!core.store.keeps()) return;
  core.store.begin_anew();
  const auto is_kept = [](const Session& session) { return session.stored != 0; };
  core.sessions.for_each([&](Session& session) {
    if (!is_kept(session)) return;
    session.outbound.for_each([](Copy& copy, const InFlight*) {
      if (copy.stored != 0 && copy.message) copy.message->stored().references = 0;
    });
  });
  core.retained.for_each([](const Message& message) { message.stored().references = 0; });
  core.retained.for_each([&core](const Message& message) {
    if (message.stored().is_retained) keep_retained(core, message);
  });
  core.sessions.for_each([&](Session& session) {
    if (is_kept(session)) keep_all(core, session);
  });
}

void keep_session(Core& core, Session& session) {
  if (!core.store.keeps()) return;
  if (session.is_transient()) {
    forget_session(core, session);
    return;
  }
  if (session.stored == 0) session.stored = ++core.last_stored_session;
  StoredSession row;
  row.id = session.stored;
  row.client_id = session.client.client_id;
  row.identity = session.client.identity;
  row.protocol = session.client.protocol;
  row.expires_after_ms = session.expires_after_ms;
  row.is_away = session.connection == nullptr;
  row.away_ms = away_ms(core, session);
  core.store.put_session(row);
}

void forget_session(Core& core, Session& session) {
  if (session.stored == 0) return;
  session.outbound.for_each([&core](Copy& copy, const InFlight*) { drop_copy(core, copy); });
  core.store.erase_session(session.stored);
  session.stored = 0;
  core.subscriptions.invalidate();  // TopicEntry::is_kept
}

void keep_copy(Core& core, const Session& session, Copy& copy, std::uint16_t packet_id) {
  if (session.stored == 0 || copy.qos == 0) return;
  copy.stored = ++core.last_stored_copy;
  refer(core, *copy.message);
  const Await await = copy.qos == 1 ? Await::kPuback : Await::kPubrec;
  core.store.put_copy(stored(session, copy, packet_id, await));
}

void move_copy(Core& core, const Session& session, const InFlight& record) {
  if (record.stored == 0) return;
  core.store.move_copy(stored(session, record, record.packet_id, record.await));
}

void drop_copy(Core& core, Copy& copy) {
  if (copy.stored == 0) return;
  if (copy.message) unrefer(core, *copy.message);
  core.store.erase_copy(copy.stored);
  copy.stored = 0;
}

void drop_message(Core& core, Copy& copy) {
  if (copy.stored != 0 && copy.message) unrefer(core, *copy.message);
  copy.message = {};
}

void keep_retained(Core& core, const Message& message) {
  core.store.set_retained(refer(core, message), true);
  message.stored().is_retained = true;
}

void drop_retained(Core& core, const Message& message) {
  StoredPlace& place = message.stored();
  if (!place.is_retained) return;
  place.is_retained = false;
  core.store.set_retained(place.id, false);
  unrefer(core, message);
}

std::uint64_t await_commit(Core& core, const Session& session) {
  const std::uint64_t serial = ++core.last_serial;
  core.store.await(make_token(session.slot, serial));
  return serial;
}

bool must_commit(const Core& core, const Session& session, const TopicEntry& topic,
                 const mqtt::Publish& publish) {
  if (publish.qos == 0 || !core.store.keeps()) return false;
  return publish.retain || topic.is_kept || (publish.qos == 2 && session.stored != 0);
}

}  // namespace tg::broker
