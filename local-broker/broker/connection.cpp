#include "local-broker/broker/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"
#include "local-broker/mqtt/properties.h"

namespace tg::broker {
namespace {

// More than this is sent at once instead of at the end of the round. It is the largest block that
// the pool keeps: beyond it each round would pay for fresh memory.
constexpr std::size_t kFlushEarly = 64 * 1024 - OutputBuffer::kFrontRoom;

std::size_t alias_bytes_of(const Version5& v5) {
  std::size_t bytes = 0;
  for (const auto& topic : v5.aliases_in) bytes += topic.size();
  for (const auto& [topic, alias] : v5.aliases_out) bytes += topic.size();
  return bytes;
}

void forget(std::vector<Connection*>& list, const Connection& connection) {
  std::erase(list, &connection);
}

void flush_early(Core& core, Connection& connection) {
  if (!connection.blocked) flush(core, connection);
  if (connection.closing || !connection.blocked) return;
  connection.out.shrink(core.pool);
  if (connection.out.size() < kFlushEarly) return;
  // What it has of a packet cannot be taken back: when memory is full, the slow one goes.
  if (has_room(core)) return;
  ++core.counts.dropped;
  connection.out.clear(core.pool);
  close(core, connection, "it does not keep up and memory is full");
}

}  // namespace

std::size_t OwedAnswer::bytes() const {
  std::size_t bytes = packet.size() + matched.capacity() * sizeof(MessageRef);
  for (const Replay& replay : replays) bytes += sizeof(Replay) + replay.filter.size();
  return bytes;
}

void count_channel(Core& core, Connection& connection) {
  core.channel_bytes -= connection.channel_bytes;
  connection.channel_bytes = connection.channel.held_bytes();
  core.channel_bytes += connection.channel_bytes;
}

void mark_dirty(Core& core, Connection& connection) {
  if (connection.in_dirty || connection.blocked) return;
  connection.in_dirty = true;
  core.dirty.push_back(&connection);
}

char* reserve(Core& core, Connection& connection, std::size_t count) {
  const std::size_t waiting = connection.out.size();
  if (waiting > 0 && waiting + count > kFlushEarly) flush_early(core, connection);
  mark_dirty(core, connection);
  ++core.counts.packets_out;
  return connection.out.extend(count, core.pool);
}

void write(Core& core, Connection& connection, std::string_view bytes) {
  std::memcpy(reserve(core, connection, bytes.size()), bytes.data(), bytes.size());
}

void write_packet(Core& core, Connection& connection) {
  if (core.packet.size() > connection.max_packet_size) {
    disconnect(core, connection, mqtt::Reason::kPacketTooLarge,
               "the answer is larger than its maximum packet size");
    return;
  }
  write(core, connection, core.packet);
}

void explain(Core& core, const Connection& connection, std::string_view why,
             const AppendPacket& append) {
  std::string properties;
  mqtt::put_property(properties, mqtt::Property::kReasonString, why);
  core.packet.clear();
  append(core.packet, properties);
  if (core.packet.size() <= connection.max_packet_size) return;
  core.packet.clear();
  append(core.packet, {});
}

void write_ack(Core& core, Connection& connection, mqtt::PacketType type, std::uint16_t packet_id,
               mqtt::Reason reason) {
  if (mqtt::is_failure(reason) && connection.version == mqtt::Version::k5 &&
      connection.wants_reasons) {
    explain(core, connection, mqtt::reason_text(reason), [&](auto& out, auto properties) {
      mqtt::append_ack(out, type, packet_id, reason, properties);
    });
    write(core, connection, core.packet);
    return;
  }
  if (reason != mqtt::Reason::kSuccess && connection.version == mqtt::Version::k5) {
    const auto bytes = mqtt::encode_ack(type, packet_id, reason);
    write(core, connection, {bytes.data(), bytes.size()});
    return;
  }
  const auto bytes = mqtt::encode_ack(type, packet_id);
  write(core, connection, {bytes.data(), bytes.size()});
}

void flush_if_large(Core& core, Connection& connection) {
  if (connection.out.size() >= kFlushEarly) flush_early(core, connection);
}

void flush(Core& core, Connection& connection) {
  if (connection.closing) return;
  while (connection.out.size() > 0 || connection.channel.owes()) {
    const std::size_t wanted = connection.out.size();
    const IoResult sent = connection.channel.send(connection.out.bytes());
    if (sent.state == IoState::kClosed) {
      close(core, connection, "the connection broke");
      return;
    }
    core.counts.bytes_out += sent.bytes;
    connection.out.consume(sent.bytes, core.pool);
    connection.blocked = sent.bytes < wanted || sent.state == IoState::kBlocked;
    if (connection.blocked) return;
  }
}

void close(Core& core, Connection& connection, std::string_view reason) {
  if (connection.closing) return;
  connection.closing = true;
  if (std::exchange(connection.opening, false)) --core.opening;
  core.ended.push_back(&connection);
  Session* session = connection.session;
  if (session == nullptr) return;
  if (connection.will) owe_will(core, connection);
  core.hooks.on_disconnected(session->client, reason);
  if (core.client_log.allow(session->client.client_id, core.now_ms)) {
    log::info(kLog, {{"CLIENT", session->client.client_id}, {"REASON", reason}},
              "{} disconnected: {}", session->client.client_id, reason);
  }
  connection.session = nullptr;
  --core.connected;
  leave_session(core, *session);
}

void disconnect(Core& core, Connection& connection, mqtt::Reason code, std::string_view reason) {
  if (connection.closing) return;
  if (connection.session != nullptr && connection.version == mqtt::Version::k5) {
    explain(core, connection, reason,
            [code](auto& out, auto properties) { mqtt::append_disconnect(out, code, properties); });
    write(core, connection, core.packet);
  }
  close(core, connection, reason);
}

void close_for(Core& core, Connection& connection, mqtt::Fault fault) {
  core.faults[static_cast<std::size_t>(fault)].add();
  const std::string_view name = mqtt::fault_name(fault);
  if (core.peer_log.allow(core.now_ms)) {
    const Session* session = connection.session;
    log::warning(kLog,
                 {{"CLIENT", session != nullptr ? std::string_view(session->client.client_id) : ""},
                  {"REASON", name}},
                 "closing the connection of {}: malformed packet ({}); {} lines about "
                 "peers were left out",
                 session != nullptr ? session->client.client_id
                                    : (connection.peer ? address_text(*connection.peer) : "a peer"),
                 name, core.peer_log.take_suppressed());
  }
  disconnect(core, connection, mqtt::reason_of(fault), name);
}

void reap(Core& core) {
  for (std::size_t i = 0; i < core.ended.size(); ++i) {
    Connection& connection = *core.ended[i];
    // The answer that explains the end (CONNACK with a refusal, DISCONNECT) or what was owed.
    const bool has_output = connection.out.size() > 0;
    if (has_output && !connection.blocked) {
      static_cast<void>(connection.channel.send(connection.out.bytes()));
    }
    if ((has_output || connection.channel.has_layers()) && !connection.blocked) {
      connection.channel.take_leave(core.scratch);
    }
    if (connection.v5) core.alias_bytes -= alias_bytes_of(*connection.v5);
    connection.out.clear(core.pool);
    if (connection.in_ready) forget(core.ready, connection);
    if ((connection.paused & kHeld) != 0) std::erase(core.held, connection.id);
    if (connection.in_dirty) forget(core.dirty, connection);
    core.tail_bytes -= connection.tail.size();
    core.early_bytes -= connection.early_bytes;
    drop_pending(core, connection);
    core.channel_bytes -= connection.channel_bytes;
    if (connection.owed) core.owed_bytes -= connection.owed->bytes();
    --core.listeners[connection.listener]->connections;
    core.connections.erase(slot_of(connection));
  }
  core.ended.clear();
}

}  // namespace tg::broker
