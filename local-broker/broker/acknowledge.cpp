// The acknowledgements that the broker owes to publishers, in order of receipt.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

void drain(Core& core, Session& session) {
  Connection* connection = session.connection;
  session.acks.drain(
      [&core, connection](mqtt::PacketType type, std::uint16_t packet_id, mqtt::Reason reason) {
        if (connection != nullptr) write_ack(core, *connection, type, packet_id, reason);
      });
  if (connection != nullptr && session.acks.size() < core.options.receive_maximum) {
    resume(core, *connection, kWindowFull);
  }
}

// What a QoS 2 subscriber gets next, or the answer to a SUBSCRIBE, waited for this commit.
void committed(Core& core, Session& session, std::uint64_t serial) {
  Connection* connection = session.connection;
  session.outbound.commit(serial, [&core, connection](std::uint16_t packet_id) {
    if (connection != nullptr) {
      write_ack(core, *connection, mqtt::PacketType::kPubrel, packet_id);
    }
  });
  // Writing may end the connection.
  connection = session.connection;
  if (connection != nullptr && connection->owed && connection->owed->serial <= serial) {
    give_owed(core, *connection);
  }
  connection = session.connection;
  if (connection != nullptr && session.outbound.unsent() > 0) pump(core, *connection);
}

}  // namespace

void acknowledge(Core& core, Connection& connection, mqtt::PacketType type, std::uint16_t packet_id,
                 mqtt::Reason reason) {
  AckQueue& acks = connection.session->acks;
  if (acks.empty()) {
    write_ack(core, connection, type, packet_id, reason);
  } else {
    acks.push_done(type, packet_id, reason);
  }
}

void complete_token(Core& core, AckToken token) {
  const TokenParts parts = split_token(token);
  Session* session = core.sessions.at(parts.slot);
  if (session == nullptr) return;
  if (session->acks.complete(parts.serial)) {
    drain(core, *session);
  } else {
    committed(core, *session, parts.serial);
  }
}

}  // namespace tg::broker
