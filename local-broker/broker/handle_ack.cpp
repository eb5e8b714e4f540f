// PUBACK, PUBREC and PUBCOMP of a subscriber; PUBREL of a publisher.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

using mqtt::PacketType;
using mqtt::Reason;

// After PUBCOMP the client uses the id for a new publish. Were it still held after a crash, that
// one would be taken for the old: so PUBCOMP leaves when the release is durable. True: it will.
bool waits_for_release(Core& core, Session& session, std::uint16_t packet_id, bool known) {
  if (!known) {
    return session.acks.join(PacketType::kPubcomp, packet_id, ++core.last_serial);
  }
  core.store.release(session.stored, packet_id);
  session.acks.push_pending(await_commit(core, session), PacketType::kPubcomp, packet_id);
  return true;
}

void handle_pubrel(Core& core, Connection& connection, const mqtt::Ack& ack) {
  // An unknown id is answered too: the client may have missed the first PUBCOMP.
  Session& session = *connection.session;
  const bool known = session.acks.release_id(ack.packet_id);
  if (session.stored != 0 && waits_for_release(core, session, ack.packet_id, known)) return;
  write_ack(core, connection, PacketType::kPubcomp, ack.packet_id,
            known ? Reason::kSuccess : Reason::kPacketIdNotFound);
}

// After PUBREL the receiver forgets the id. Were the message sent again after a crash, it would
// count twice there: so PUBREL leaves when it is durable that the message has been received.
void receive_stored(Core& core, Session& session, InFlight& record) {
  if (record.await != Await::kPubrec) return;
  drop_message(core, record);
  session.outbound.on_pubrec(record.packet_id);
  move_copy(core, session, record);
  session.outbound.release_after(record, await_commit(core, session));
}

// True when a place in the window has become free.
bool handle_pubrec(Core& core, Connection& connection, const mqtt::Ack& ack, Copy& done) {
  Session& session = *connection.session;
  Outbound& outbound = session.outbound;
  if (is_failure(ack.reason)) return outbound.on_pubrec_refused(ack.packet_id, &done);
  InFlight* record = outbound.find(ack.packet_id);
  if (record != nullptr && record->stored != 0 && record->await != Await::kNothing) {
    receive_stored(core, session, *record);
    if (!outbound.is_durable(*record)) return false;  // PUBREL follows the commit
  }
  const bool known = outbound.on_pubrec(ack.packet_id);
  write_ack(core, connection, PacketType::kPubrel, ack.packet_id,
            known ? Reason::kSuccess : Reason::kPacketIdNotFound);
  return false;
}

}  // namespace

void handle_ack(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::Ack ack;
  if (const auto fault = mqtt::decode_ack(connection.version, frame, ack);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  Session& session = *connection.session;
  bool finished = false;
  Copy done;
  switch (frame.type) {
    case PacketType::kPubrel:
      handle_pubrel(core, connection, ack);
      break;
    case PacketType::kPubrec:
      finished = handle_pubrec(core, connection, ack, done);
      break;
    case PacketType::kPuback:
      finished = session.outbound.on_puback(ack.packet_id, &done);
      break;
    default:
      finished = session.outbound.on_pubcomp(ack.packet_id, &done);
      break;
  }
  drop_copy(core, done);
  if (finished && session.outbound.has_more()) pump(core, connection);
}

}  // namespace tg::broker
