// Input: bytes from the socket, cut into packets and handed to their handlers.
//
// Packets are handled where they were received. Only an unfinished one is copied, in front of the
// next read when it is short, else it gathers in the connection.
#include <utility>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::PacketType;

constexpr std::size_t kShortTail = 4 * 1024;
// Fairness: one connection's share of a round. While publishes are held, less is taken in.
constexpr std::size_t kShare = 64 * 1024;
constexpr std::size_t kShareUnderPressure = 8 * 1024;
// So much more of an unfinished packet renews the keep-alive, as in mosquitto: by the letter of
// [MQTT-3.1.2-24] a large packet on a slow link would end its client.
constexpr std::size_t kProgress = 1000;
// Answers that a peer has not read yet, beyond what deliveries may take.
constexpr std::size_t kUnreadAnswers = 128 * 1024;
constexpr std::size_t kUnreadAnswersWhenShort = 16 * 1024;

bool is_output_full(const Core& core, const Connection& connection) {
  if (!connection.blocked) return false;
  const std::size_t limit =
      has_room(core) ? core.options.max_queued_bytes + kUnreadAnswers : kUnreadAnswersWhenShort;
  return connection.out.size() > limit;
}

void handle_pingreq(Core& core, Connection& connection, const mqtt::Frame& frame) {
  if (const Fault fault = mqtt::decode_empty(frame); fault != Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  write(core, connection, mqtt::kPingrespBytes);
}

// False: the same packet again, after a pause.
bool dispatch(Core& core, Connection& connection, const mqtt::Frame& frame) {
  switch (frame.type) {
    case PacketType::kPublish:
      return handle_publish(core, connection, frame);
    case PacketType::kPuback:
    case PacketType::kPubrec:
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      handle_ack(core, connection, frame);
      return true;
    case PacketType::kPingreq:
      handle_pingreq(core, connection, frame);
      return true;
    case PacketType::kSubscribe:
      handle_subscribe(core, connection, frame);
      return true;
    case PacketType::kUnsubscribe:
      handle_unsubscribe(core, connection, frame);
      return true;
    case PacketType::kConnect:
      handle_connect(core, connection, frame);
      return true;
    case PacketType::kDisconnect:
      handle_disconnect(core, connection, frame);
      return true;
    case PacketType::kConnack:
    case PacketType::kSuback:
    case PacketType::kUnsuback:
    case PacketType::kPingresp:
    case PacketType::kAuth:
      break;
  }
  close_for(core, connection, Fault::kUnexpected);
  return true;
}

// A connection begins with CONNECT [MQTT-3.1.0-1]; the rest of anything else is not waited for.
bool may_begin(const Connection& connection, std::string_view bytes) {
  if (connection.session != nullptr || bytes.empty()) return true;
  return static_cast<std::uint8_t>(bytes[0]) >> 4U ==
         static_cast<std::uint8_t>(PacketType::kConnect);
}

// Returns the bytes that have been dealt with.
std::size_t parse(Core& core, Connection& connection, std::string_view bytes) {
  std::size_t used = 0;
  while (!connection.closing && connection.paused == 0) {
    const std::string_view rest = bytes.substr(used);
    if (!may_begin(connection, rest)) {
      close_for(core, connection, Fault::kUnexpected);
      break;
    }
    mqtt::Frame frame;
    Fault fault = Fault::kNone;
    const auto state = mqtt::split_frame(rest, core.options.max_packet_size, frame, fault);
    if (state == mqtt::FrameState::kPartial) break;
    if (state == mqtt::FrameState::kMalformed) {
      close_for(core, connection, fault);
      break;
    }
    ++core.counts.packets_in;
    if (!dispatch(core, connection, frame)) break;
    used += frame.size;
    connection.last_received_ms = core.now_ms;
    connection.flowed = 0;
    if (is_output_full(core, connection)) pause(connection, kOutputFull);
    if (is_turn_over(core)) pause(connection, kYielded);
  }
  return used;
}

// CONNECT has one time limit for all of it.
void note_progress(const Core& core, Connection& connection) {
  if (connection.session == nullptr || connection.tail.size() < connection.flowed + kProgress) {
    return;
  }
  connection.flowed = static_cast<std::uint32_t>(connection.tail.size());
  connection.last_received_ms = core.now_ms;
}

void set_tail(Core& core, Connection& connection, std::string tail) {
  core.tail_bytes += tail.size();
  core.tail_bytes -= connection.tail.size();
  connection.tail = std::move(tail);
}

void parse_tail(Core& core, Connection& connection) {
  const std::size_t used = parse(core, connection, connection.tail);
  if (used == 0) return;
  set_tail(core, connection, connection.tail.substr(used));
}

// What cannot be dealt with in its turn waits in memory.
std::size_t share_of(const Core& core, const Connection& connection) {
  if (connection.has_yielded && !has_room_for_message(core)) return kShortTail;
  return core.held.empty() ? kShare : kShareUnderPressure;
}

void receive(Core& core, Connection& connection) {
  const std::size_t share = share_of(core, connection);
  char* buffer = core.receive_buffer.data();
  const bool in_place = connection.tail.size() <= kShortTail;
  const std::size_t before = in_place ? connection.tail.size() : 0;
  connection.tail.copy(buffer, before);
  const IoResult got = connection.channel.receive({buffer + before, share}, core.scratch);
  count_channel(core, connection);
  if (got.state == IoState::kClosed) {
    close(core, connection, "closed by the peer");
    return;
  }
  if (got.state == IoState::kMalformed) {
    close_for(core, connection, Fault::kWebSocket);
    return;
  }
  if (connection.channel.owes()) mark_dirty(core, connection);
  if (got.drained && !connection.peer_ended) connection.readable = false;
  if (got.state == IoState::kBlocked) {
    connection.readable = false;
    return;
  }
  core.counts.bytes_in += got.bytes;
  if (!in_place) {
    connection.tail.append(buffer, got.bytes);
    core.tail_bytes += got.bytes;
    parse_tail(core, connection);
    note_progress(core, connection);
    return;
  }
  const std::string_view bytes(buffer, before + got.bytes);
  const std::size_t used = parse(core, connection, bytes);
  if (used < bytes.size() || before > 0) {
    set_tail(core, connection, std::string(bytes.substr(used)));
    note_progress(core, connection);
  }
}

// Who has a session is bounded by other limits.
void count_early(Core& core, Connection& connection) {
  std::size_t bytes = 0;
  if (connection.session == nullptr) {
    bytes = connection.tail.size() + (connection.pending ? connection.pending->bytes() : 0);
  }
  core.early_bytes += bytes - connection.early_bytes;
  connection.early_bytes = bytes;
}

// Unfinished packets, and CONNECTs, end when there is no memory for them. What only waits for its
// next turn is less each time.
bool takes_too_much(const Core& core, const Connection& connection) {
  if (connection.early_bytes > kShortTail && !has_room_for_early(core)) return true;
  return connection.tail.size() > kShortTail && (connection.paused & kYielded) == 0 &&
         !has_room(core);
}

}  // namespace

void make_ready(Core& core, Connection& connection) {
  if (connection.in_ready) return;
  connection.in_ready = true;
  core.ready.push_back(&connection);
}

void service(Core& core, Connection& connection) {
  if (connection.closing) return;
  if (connection.opening && !open_connection(core, connection)) return;
  core.work = 0;
  if (std::exchange(connection.resumed, false)) {
    if (is_giving(connection)) give_owed(core, connection);
    if (is_giving(connection)) pause(connection, kYielded);
    if (!connection.closing) parse_tail(core, connection);
  }
  if (connection.paused == 0 && !connection.closing && connection.readable) {
    receive(core, connection);
  }
  if (connection.closing) return;
  count_early(core, connection);
  if (takes_too_much(core, connection)) {
    close_for(core, connection, Fault::kNoMemory);
    return;
  }
  connection.has_yielded = (connection.paused & kYielded) != 0;
  resume(core, connection, kYielded);
  if (connection.readable && connection.paused == 0 && !connection.closing) {
    make_ready(core, connection);
  }
}

void pause(Connection& connection, Pause reason) { connection.paused |= reason; }

void resume(Core& core, Connection& connection, Pause reason) {
  if ((connection.paused & reason) == 0) return;
  connection.paused = static_cast<std::uint8_t>(connection.paused & ~reason);
  if (connection.paused != 0) return;
  connection.last_received_ms = core.now_ms;
  connection.resumed = true;
  make_ready(core, connection);
}

}  // namespace tg::broker
