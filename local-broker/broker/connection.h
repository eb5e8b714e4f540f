// One connected peer: its byte stream, what was received of an unfinished packet, what is still to
// be sent. Small: thousands of them are idle.
//
// Life: accepted → CONNECT (authenticating, perhaps for a while) → established → closing → freed at
// the end of the round. From `closing` on it has no session and nothing may be written to it.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "local-broker/broker/hooks.h"
#include "local-broker/broker/message.h"
#include "local-broker/broker/output_buffer.h"
#include "local-broker/broker/timer_wheel.h"
#include "local-broker/broker/transport/channel.h"
#include "local-broker/mqtt/packet.h"

namespace tg::broker {

struct Core;
struct Session;

// What an epoll event points at.
enum class PollKind : std::uint8_t { kListener, kConnection, kSlowWork };
struct Pollable {
  explicit Pollable(PollKind what) : poll_kind(what) {}
  const PollKind poll_kind;
};

struct Will {
  MessageRef message;
  bool retain = false;
  std::int64_t delay_ms = 0;
  std::optional<std::uint32_t> expiry_s = {};  // from its publication on
};

// The client has gone, and may come back before it is published.
struct DelayedWill {
  DelayedWill(Session& session, Will owed)
      : will(std::move(owed)), timer(TimerKind::kWill, &session) {}
  Will will;
  Timer timer;
};

// What only a connection of MQTT 5 has.
struct Version5 {
  std::vector<std::string> aliases_in;  // by alias - 1; empty = not set
  std::unordered_map<std::string, std::uint16_t> aliases_out;
  std::uint16_t alias_out_maximum = 0;
};

// Why a connection is not read. Its keep-alive is suspended meanwhile.
enum Pause : std::uint8_t {
  kAuthenticating = 1,  // its CONNECT waits for an answer
  kHeld = 2,            // its next publish found no room
  kWindowFull = 4,      // it is owed as many acknowledgements as it may be
  kCommitting = 8,      // its SUBSCRIBE or UNSUBSCRIBE is not durable yet
  kOutputFull = 16,     // it does not read what it is answered; its keep-alive runs
  kYielded = 32,        // others have their turn first
};

// A CONNECT that waits for its answer.
struct PendingConnect {
  [[nodiscard]] std::size_t bytes() const;  // memory it takes

  ClientInfo client;
  std::string body;
};

// The answer to a SUBSCRIBE or UNSUBSCRIBE, and the retained messages that follow it.
struct OwedAnswer {
  struct Replay {
    std::string filter;
    std::uint8_t qos = 0;
    std::uint32_t subscription_id = 0;
  };
  [[nodiscard]] std::size_t bytes() const;  // memory it takes

  std::string packet;
  std::vector<Replay> replays;
  std::size_t given = 0;            // of the replays
  std::vector<MessageRef> matched;  // by the one under way
  std::size_t looked_at = 0;        // of these
  std::uint64_t serial = 0;         // of the commit that it waits for
};

struct Connection : Pollable {
  Connection() : Pollable(PollKind::kConnection), timer(TimerKind::kConnection, this) {}

  // What each packet looks at comes first: it meets few cache lines.
  Channel channel;
  OutputBuffer out;
  Session* session = nullptr;
  std::unique_ptr<Version5> v5;
  std::uint32_t max_packet_size = 0xFFFF'FFFF;  // that the peer takes
  std::uint16_t window = 0;                     // publishes in flight towards it
  mqtt::Version version = mqtt::Version::k311;
  std::uint8_t paused = 0;  // bits of Pause
  bool opening = false;     // what comes before MQTT is not done
  bool readable = false;    // the socket may hold more
  bool peer_ended = false;  // the end of input has been announced
  bool blocked = false;     // the socket took no more output
  bool resumed = false;     // the tail is to be looked at again
  bool in_ready = false;
  bool in_dirty = false;
  bool closing = false;
  bool has_yielded = false;   // in its last turn
  bool wants_reasons = true;  // reason strings on packets that are neither CONNACK nor DISCONNECT
  std::string tail;           // received and not yet handled
  // The last whole packet, or progress of a large one; before CONNECT, when MQTT began.
  std::int64_t last_received_ms = 0;
  std::unique_ptr<Will> will;
  std::unique_ptr<PendingConnect> pending;
  std::unique_ptr<OwedAnswer> owed;
  std::unique_ptr<sockaddr_storage> peer;  // until CONNECT
  Timer timer;                             // CONNECT deadline, keep-alive, refusal
  std::uint64_t id = 0;                    // serial << 24 | slot
  std::int64_t refused_until_ms = 0;       // 0 = nothing was refused
  std::size_t channel_bytes = 0;           // of the channel, as counted
  std::size_t early_bytes = 0;             // of its CONNECT, as counted
  std::uint32_t flowed = 0;  // of an unfinished packet, when it last renewed the keep-alive
  std::uint32_t listener = 0;
  std::uint16_t keep_alive_s = 0;
};

inline constexpr unsigned kConnectionSlotBits = 24;
[[nodiscard]] inline std::uint32_t slot_of(const Connection& connection) {
  return static_cast<std::uint32_t>(connection.id & ((1U << kConnectionSlotBits) - 1));
}

// connection.cpp
// Appends to the output; it leaves at the end of the round, or now when much has gathered.
void write(Core& core, Connection& connection, std::string_view bytes);
// core.packet; a peer that does not take so large a packet is ended instead [MQTT-3.1.2-24].
void write_packet(Core& core, Connection& connection);
// core.packet of version 5 as `append` makes it from a list of properties: with `why` as its reason
// string, or without when the peer takes no such packet [MQTT-3.2.2-19]. Whether it wants one on an
// acknowledgement (wants_reasons) is the caller's to ask.
using AppendPacket = std::function<void(std::string& out, std::string_view properties)>;
void explain(Core& core, const Connection& connection, std::string_view why,
             const AppendPacket& append);
// Room at the end of the output, to be filled before anything else is written.
char* reserve(Core& core, Connection& connection, std::size_t count);
void write_ack(Core& core, Connection& connection, mqtt::PacketType type, std::uint16_t packet_id,
               mqtt::Reason reason = mqtt::Reason::kSuccess);
// What the channel holds of its own has changed: counted anew.
void count_channel(Core& core, Connection& connection);
// It has output, which leaves at the end of the round.
void mark_dirty(Core& core, Connection& connection);
// At once, when much has gathered: large messages to many must not all be in memory. When it is
// full, a peer that does not take them is ended.
void flush_if_large(Core& core, Connection& connection);
// Sends what the socket takes.
void flush(Core& core, Connection& connection);
// Ends the connection; its session loses it at once, the rest follows at the end of the round.
void close(Core& core, Connection& connection, std::string_view reason);
// The same, and a version 5 peer is told why.
void disconnect(Core& core, Connection& connection, mqtt::Reason code, std::string_view reason);
// The peer broke the protocol: counted by reason, logged, closed.
void close_for(Core& core, Connection& connection, mqtt::Fault fault);
// Frees what close() has ended.
void reap(Core& core);

// open.cpp
// It is to be opened before it carries MQTT.
void note_opening(Core& core, Connection& connection);
// True: it is open. Else it waits, or has been closed.
[[nodiscard]] bool open_connection(Core& core, Connection& connection);
// It did not open: counted by reason, logged, closed.
void fail_opening(Core& core, Connection& connection, OpenFault fault);
// At the limit: gives up one that makes others wait for too long.
void give_up_stalled(Core& core);

// receive.cpp
// Reads and handles input, once; what is left makes the connection ready for the next round.
void service(Core& core, Connection& connection);
// It has work that no event will announce: the next round serves it.
void make_ready(Core& core, Connection& connection);
void pause(Connection& connection, Pause reason);
void resume(Core& core, Connection& connection, Pause reason);

// keep_alive.cpp
void arm_timer(Core& core, Connection& connection);
void on_timer(Core& core, Connection& connection);

}  // namespace tg::broker
