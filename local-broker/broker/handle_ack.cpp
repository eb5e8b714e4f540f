// PUBACK, PUBREC and PUBCOMP of a subscriber; PUBREL of a publisher.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

using mqtt::PacketType;
using mqtt::Reason;

void handle_pubrel(Core& core, Connection& connection, const mqtt::Ack& ack) {
  // An unknown id is answered too: the client may have missed the first PUBCOMP.
  const bool known = connection.session->acks.release_id(ack.packet_id);
  write_ack(core, connection, PacketType::kPubcomp, ack.packet_id,
            known ? Reason::kSuccess : Reason::kPacketIdNotFound);
}

// True when a place in the window has become free.
bool handle_pubrec(Core& core, Connection& connection, const mqtt::Ack& ack) {
  Outbound& outbound = connection.session->outbound;
  if (is_failure(ack.reason)) return outbound.on_pubrec(ack.packet_id, /*refused=*/true);
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
  switch (frame.type) {
    case PacketType::kPubrel:
      handle_pubrel(core, connection, ack);
      break;
    case PacketType::kPubrec:
      finished = handle_pubrec(core, connection, ack);
      break;
    case PacketType::kPuback:
      finished = session.outbound.on_puback(ack.packet_id);
      break;
    default:
      finished = session.outbound.on_pubcomp(ack.packet_id);
      break;
  }
  if (finished && session.outbound.has_more()) pump(core, connection);
}

}  // namespace tg::broker
