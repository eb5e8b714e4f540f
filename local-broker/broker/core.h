// What the parts of the broker share. The parts are functions over it, one file per packet or
// event; broker.cpp is the way in from outside.
//
// Thread: the loop's. A round is: events → input → timers → wills → output → ends. Connections are
// freed at the end of a round only, sessions between packets only, so neither goes away under a
// delivery.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "daemon/base/log.h"
#include "daemon/base/source_limits.h"
#include "local-broker/broker/broker.h"
#include "local-broker/broker/connection.h"
#include "local-broker/broker/retained.h"
#include "local-broker/broker/session.h"
#include "local-broker/broker/session_store.h"
#include "local-broker/broker/slot_table.h"
#include "local-broker/broker/slow_work.h"
#include "local-broker/broker/subscriptions.h"
#include "local-broker/broker/sys_topics.h"
#include "local-broker/broker/topic_cache.h"
#include "local-broker/broker/transport/listener.h"
#include "local-broker/broker/transport/poller.h"
#include "local-broker/broker/transport/tls_context.h"
#include "local-broker/broker/users.h"
#include "local-broker/mqtt/decode.h"

namespace tg::broker {

extern const log::Component kLog;

struct ListenerSlot : Pollable {
  ListenerSlot(Listener opened, ListenerOptions given)
      : Pollable(PollKind::kListener), listener(std::move(opened)), options(std::move(given)) {}
  [[nodiscard]] bool has_layers() const {
    return tls != nullptr || options.proxy_protocol || options.web_socket;
  }

  Listener listener;
  const ListenerOptions options;    // with others the socket goes to another slot
  std::unique_ptr<TlsContext> tls;  // null = plain
  std::unique_ptr<Users> users;     // null = none
  std::size_t connections = 0;
  bool readable = false;
  std::int64_t retry_at_ms = 0;  // out of descriptors until then
};

struct SlowWorkSlot : Pollable {
  SlowWorkSlot() : Pollable(PollKind::kSlowWork) {}
  SlowWork work;
};

// A will on its way: its connection has ended.
struct OwedWill {
  ClientInfo client;
  Will will;
};

// Since the start. Plain numbers on the hot path; report_counts() carries them to the metrics.
struct Counts {
  std::uint64_t received = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;
  std::uint64_t denied = 0;
  std::uint64_t refused = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t connected = 0;
  std::uint64_t turned_away = 0;
  std::uint64_t wills = 0;
  std::uint64_t expired = 0;
  std::uint64_t subscriptions_refused = 0;
  // For $SYS only.
  std::uint64_t packets_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t payload_in = 0;
  std::uint64_t payload_out = 0;
  std::uint64_t sockets = 0;
};

// Why a CONNECT was refused, in the metrics.
struct Refusal {
  mqtt::Reason reason;
  const char* name;  // of the metric's label
  const char* why;   // for the client
};
inline constexpr std::array<Refusal, 7> kRefusals = {{
    {mqtt::Reason::kUnsupportedVersion, "unsupported_version", "this version is not served"},
    {mqtt::Reason::kIdentifierNotValid, "identifier",
     "the client id is not valid, or belongs to another identity"},
    {mqtt::Reason::kBadCredentials, "bad_credentials", "wrong user name or password"},
    {mqtt::Reason::kNotAuthorised, "not_authorised", "not allowed"},
    {mqtt::Reason::kServerUnavailable, "unavailable", "not available now"},
    {mqtt::Reason::kBadAuthenticationMethod, "authentication_method",
     "no authentication method is supported"},
    {mqtt::Reason::kQuotaExceeded, "no_memory", "there is no memory for another session or will"},
}};

struct Report {
  Counter counter;
  std::uint64_t reported = 0;
};

struct Core {
  Core(BrokerOptions broker_options, Hooks& broker_hooks, SessionStore* session_store,
       const Clock& broker_clock, Metrics& metrics);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // Constant after construction.
  const BrokerOptions options;
  Hooks& hooks;
  SessionStore no_store;
  SessionStore& store;
  const Clock& clock;
  const std::int64_t started_ms;

  std::int64_t now_ms;  // of this round
  bool in_round = false;
  std::uint64_t last_serial = 0;
  StoredId last_stored_session = 0;
  StoredId last_stored_message = 0;
  StoredId last_stored_copy = 0;

  MessageMemory messages;  // outlives all that holds messages
  Poller poller;
  std::unique_ptr<SlowWorkSlot> slow;  // there when a listener has users
  TimerWheel wheel;                    // outlives the timers in sessions and connections
  BufferPool pool;
  std::vector<std::unique_ptr<ListenerSlot>> listeners;
  SlotTable<Connection> connections;
  Sessions sessions;
  Subscriptions subscriptions;
  TopicCache topics;
  Retained retained;

  std::vector<Connection*> ready;     // have input that no event will announce
  std::vector<Connection*> dirty;     // have output to send
  std::vector<Connection*> flushing;  // scratch: those whose turn it is
  std::vector<Connection*> ended;
  std::deque<std::uint64_t> openings;  // connection ids, oldest first; some are open or gone
  std::size_t opening = 0;             // of them, those that are neither
  std::vector<std::uint64_t> held;     // connection ids that wait for resume_held()
  std::vector<std::uint32_t> orphans;  // slots of clean sessions without a connection
  std::deque<OwedWill> wills;
  std::deque<OwedWill> held_wills;

  std::size_t queue_entries = 0;  // of all sessions
  std::size_t client_bytes = 0;   // what they know of their clients
  std::size_t tail_bytes = 0;     // of all connections
  std::size_t alias_bytes = 0;    // topics behind aliases, of all connections
  std::size_t channel_bytes = 0;  // received and not yet decrypted or unframed, of all connections
  std::size_t owed_bytes = 0;     // answers that wait for a commit
  std::size_t pending_bytes = 0;  // CONNECTs that wait for an answer
  std::size_t early_bytes = 0;    // of all these, what connections without a session take
  std::size_t connected = 0;      // sessions with a connection
  std::size_t most_connected = 0;
  Counts counts;
  std::array<Report, 12> reports;
  std::array<Counter, mqtt::kFaultCount> faults;
  std::array<Counter, kOpenFaultCount> open_faults;
  std::array<Counter, kRefusals.size()> refusals;
  std::array<Gauge, 5> gauges;
  log::Limit peer_log{20, 10'000};   // lines that a peer can cause
  log::SourceLimits client_log;      // those that name a client
  log::Limit limit_log{10, 10'000};  // limits that were reached
  std::size_t work = 0;              // of the turn under way: deliveries, and looking for receivers
  SysTopics sys;
  std::int64_t next_second_ms = 0;
  std::int64_t next_sys_ms = 0;
  std::int64_t next_sweep_ms = 0;  // expire.cpp: when, and from where on
  std::uint32_t sweep_session = 0;
  NodeId sweep_retained = 0;
  std::mt19937_64 random;

  // Scratch, reused so that a packet costs no allocation.
  std::vector<char> receive_buffer;
  Scratch scratch;
  std::array<std::string, 12> encoded;  // the forms of the message being delivered (deliver.cpp)
  std::string packet;
  std::string properties;  // of the packet being encoded
  std::string passed_on;   // of the publish being handled
  std::vector<mqtt::FilterRequest> filters;
  std::vector<std::uint8_t> codes;
};

// Fairness: what a connection's turn may cost beside its input, in bytes that are copied. A packet
// that was begun is dealt with to its end. A delivery costs about as much as copying kDeliveryWork.
inline constexpr std::size_t kTurnWork = 8U << 20U;
inline constexpr std::size_t kDeliveryWork = 256;
inline constexpr std::size_t kStoredDeliveryWork = 1024;
inline constexpr std::size_t kReplayWork = kTurnWork / 256;
[[nodiscard]] inline bool is_turn_over(const Core& core) { return core.work >= kTurnWork; }

// What total_memory bounds: messages (each once), queues and windows, acknowledgements and packet
// ids, buffers, sessions, subscriptions and what is remembered of topics. What a connection takes
// by itself, its TLS state too, is bounded by max_connections.
[[nodiscard]] inline std::size_t memory_of(const Core& core) {
  return core.messages.bytes + core.queue_entries * sizeof(Queued) +
         core.sessions.in_flight() * sizeof(InFlight) + core.tail_bytes + core.alias_bytes +
         core.channel_bytes + core.owed_bytes + core.pending_bytes + core.pool.in_use() +
         core.subscriptions.bytes() + core.retained.tree_bytes() + core.client_bytes +
         core.sessions.size() * sizeof(Session) + core.sessions.ack_bytes() + core.topics.bytes();
}
[[nodiscard]] inline bool has_room(const Core& core, std::size_t more = 0) {
  return memory_of(core) + more <= core.options.total_memory;
}
// Messages leave an eighth to sessions, subscriptions and packets on their way in: a broker that is
// full of messages still takes clients.
[[nodiscard]] inline bool has_room_for_message(const Core& core, std::size_t more = 0) {
  return memory_of(core) + more <= core.options.total_memory / 8 * 7;
}

// Who has no session yet shares a sixteenth: those who do not come to the end of their CONNECT take
// nothing from clients.
[[nodiscard]] inline bool has_room_for_early(const Core& core) {
  return core.early_bytes <= core.options.total_memory / 16;
}

// handle_*.cpp. False: the packet could not be taken and is to be offered again after a pause.
void handle_connect(Core& core, Connection& connection, const mqtt::Frame& frame);
[[nodiscard]] bool handle_publish(Core& core, Connection& connection, const mqtt::Frame& frame);
void handle_ack(Core& core, Connection& connection, const mqtt::Frame& frame);
void handle_subscribe(Core& core, Connection& connection, const mqtt::Frame& frame);
void handle_unsubscribe(Core& core, Connection& connection, const mqtt::Frame& frame);
void handle_disconnect(Core& core, Connection& connection, const mqtt::Frame& frame);
// The CONNECT that waits is answered, or its connection ends.
void drop_pending(Core& core, Connection& connection);
// The commit that the connection's owed answer waited for is done.
void give_owed(Core& core, Connection& connection);
// Something of it is still to be given, in turns.
[[nodiscard]] bool is_giving(const Connection& connection);

// acknowledge.cpp
// `reason` is for version 5; those before it cannot be told.
void acknowledge(Core& core, Connection& connection, mqtt::PacketType type, std::uint16_t packet_id,
                 mqtt::Reason reason = mqtt::Reason::kSuccess);
void complete_token(Core& core, AckToken token);

// deliver.cpp
// The entry of a valid topic, its targets current; null when the topic is not valid.
TopicEntry* topic_entry(Core& core, std::string_view topic);
// `from` is the publisher's session, null when it has none; `retained` the publish's flag.
void deliver(Core& core, TopicEntry& topic, const MessageFields& message, const Session* from,
             bool retained);
// Into the retained set, or out of it when the payload is empty; false when there is no room in it.
// `keep`: the store has room for it.
bool retain(Core& core, const MessageFields& message, bool keep = true);
void forget_retained(Core& core, std::string_view topic);
// Into the session's queue. At a limit of its own its QoS 0 messages give way, then its oldest;
// when the broker's memory is full, the new one does. `is_admitted`: there was room for it when it
// was acknowledged, which what goes to others meanwhile does not take away.
void enqueue(Core& core, Session& session, Copy copy, bool is_admitted = false);
// The session ends: what a shared subscription chose it for goes to others, as far as it may
// [MQTT-4.8.2-5].
void pass_on(Core& core, Session& leaving);
// Moves what the window and the output have room for: first what an earlier connection left in
// flight, then the session's queue.
void pump(Core& core, Connection& connection);
// What the retained set has for the filter, for replay_retained().
std::vector<MessageRef> match_retained(Core& core, std::string_view filter);
// Into the session's queue, unless the topic has another one by now, which is on its way.
void replay_retained(Core& core, Session& session, const MessageRef& message, std::uint8_t qos,
                     std::uint32_t subscription_id);

// persist.cpp: what goes into the session store, and when. All of it does nothing for what is not
// stored: transient sessions, QoS 0.
// The session is new, or has changed, or its client has come or gone.
void keep_session(Core& core, Session& session);
void forget_session(Core& core, Session& session);
// The copy is queued from now on (packet_id 0) or in flight.
void keep_copy(Core& core, const Session& session, Copy& copy, std::uint16_t packet_id);
// It has been sent, or received by PUBREC.
void move_copy(Core& core, const Session& session, const InFlight& record);
// It is over: acknowledged, expired or dropped.
void drop_copy(Core& core, Copy& copy);
// Its receiver has the message; only the packet id is still needed.
void drop_message(Core& core, Copy& copy);
void keep_retained(Core& core, const Message& message);
void drop_retained(Core& core, const Message& message);
// All of it once more, under new ids: the store has lost it.
void keep_anew(Core& core);
// The serial that complete_token() will see when the changes so far are durable.
[[nodiscard]] std::uint64_t await_commit(Core& core, const Session& session);
// Changes of this publish are waited for before it is acknowledged.
[[nodiscard]] bool must_commit(const Core& core, const Session& session, const TopicEntry& topic,
                               const mqtt::Publish& publish);

// restore.cpp
Result<void> restore(Core& core);

// will.cpp
void owe_will(Core& core, Connection& connection);
// As many as a turn allows; others follow in the next round.
void publish_wills(Core& core);
// The delay of the session's will is over.
void owe_delayed_will(Core& core, Session& session);

// session_end.cpp
// What a session takes beside its messages and subscriptions.
[[nodiscard]] std::size_t bytes_of(const ClientInfo& client);
// What a version 5 client asks for, within session_expiry.
[[nodiscard]] std::int64_t expiry_of(const Core& core, std::uint32_t seconds);
// Arms the timer of a session whose client has been away for so long.
void expire_after(Core& core, Session& session, std::int64_t away_ms);
// The connection has left the session.
void leave_session(Core& core, Session& session);
void end_session(Core& core, Session& session);
void end_orphans(Core& core);
void expire_session(Core& core, Session& session);

// accept.cpp
[[nodiscard]] bool may_accept(const Core& core, const ListenerSlot& slot);
void accept_all(Core& core, ListenerSlot& slot);

// clients.cpp
std::vector<ClientStatus> list_clients(const Core& core, std::string_view after, std::size_t limit);
std::optional<ClientStatus> find_client(const Core& core, std::string_view client_id);
bool end_client(Core& core, std::string_view client_id);

// expire.cpp
// Some entries of queues and of the retained set, every second.
void drop_expired(Core& core);

// sys_topics.cpp
// Counters and gauges every second, $SYS topics every sys_interval_s.
void report(Core& core);
BrokerStats stats_of(const Core& core);

}  // namespace tg::broker
