// PUBACK, PUBREC and PUBCOMP of a subscriber; PUBREL of a publisher.
#include "local-broker/broker/core.h"

namespace tg::broker {

using mqtt::PacketType;

void handle_ack(Core& core, Connection& connection, const mqtt::Frame& frame) {
  std::uint16_t packet_id = 0;
  if (const auto fault = mqtt::decode_ack(connection.version, frame, packet_id);
      fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  Session& session = *connection.session;
  if (frame.type == PacketType::kPubrel) {
    // An unknown id is answered too: the client may have missed the first PUBCOMP.
    session.acks.release_id(packet_id);
    write_ack(core, connection, PacketType::kPubcomp, packet_id);
    return;
  }
  if (frame.type == PacketType::kPubrec) {
    static_cast<void>(session.outbound.on_pubrec(packet_id));
    write_ack(core, connection, PacketType::kPubrel, packet_id);
    return;
  }
  const bool finished = frame.type == PacketType::kPuback ? session.outbound.on_puback(packet_id)
                                                          : session.outbound.on_pubcomp(packet_id);
  if (finished && session.outbound.has_queued()) pump(core, connection);
}

}  // namespace tg::broker
