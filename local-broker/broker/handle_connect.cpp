// CONNECT: who it is, whether it may, and which session it gets.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/core.h"
#include "local-broker/broker/password.h"
#include "local-broker/broker/transport/certificate.h"
#include "local-broker/mqtt/encode.h"
#include "local-broker/mqtt/properties.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::Reason;
using mqtt::Version;

constexpr std::size_t kMaxClientId = 1024;
// Of a password that nobody knows.
constexpr std::string_view kNobodysHash =
    "$7$10000$bm9ib2R5IGhhcyB0aGlzIQ==$"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

// Before version 5 there are but five ways to say no.
std::uint8_t code_of(Version version, Reason reason) {
  if (version == Version::k5) return static_cast<std::uint8_t>(reason);
  switch (reason) {
    case Reason::kUnsupportedVersion:
      return mqtt::kUnacceptableVersion;
    case Reason::kIdentifierNotValid:
      return mqtt::kIdentifierRejected;
    case Reason::kBadCredentials:
      return mqtt::kCodeBadCredentials;
    case Reason::kNotAuthorised:
      return mqtt::kCodeNotAuthorised;
    default:
      return mqtt::kCodeServerUnavailable;
  }
}

// A CONNACK with a refusal; `why` is for version 5.
void write_refusal(Core& core, Connection& connection, Version version, std::uint8_t code,
                   std::string_view why) {
  explain(core, connection, why, [version, code](auto& out, auto properties) {
    mqtt::append_connack(out, version, false, code, properties);
  });
  write(core, connection, core.packet);
}

void refuse(Core& core, Connection& connection, Version version, Reason reason) {
  const auto known = std::find_if(kRefusals.begin(), kRefusals.end(),
                                  [reason](const Refusal& one) { return one.reason == reason; });
  TG_ASSERT(known != kRefusals.end());
  core.refusals[static_cast<std::size_t>(known - kRefusals.begin())].add();
  const std::uint8_t code = code_of(version, reason);
  write_refusal(core, connection, version, code, known->why);
  if (core.peer_log.allow(core.now_ms)) {
    log::info(kLog, "CONNECT from {} refused with code {}",
              connection.peer ? address_text(*connection.peer) : "a peer", code);
  }
  close(core, connection, "CONNECT refused");
}

std::string assigned_id(Core& core) { return fmt::format("auto-{:016x}", core.random()); }

// Who it is: what its certificate says, else the name that it proves by a password. A name that
// nobody has to prove is no identity.
std::string identity_on(const ListenerSlot& slot, const Certificate* certificate,
                        const mqtt::Connect& connect) {
  if (certificate != nullptr) return identity_of(*certificate);
  const bool is_proved = slot.users != nullptr || !slot.options.anonymous;
  return is_proved ? std::string(connect.username) : std::string();
}

ClientInfo describe(Core& core, const Connection& connection, const ListenerSlot& slot,
                    const mqtt::Connect& connect) {
  const ListenerOptions& listener = slot.options;
  ClientInfo client;
  client.client_id = connect.client_id.empty() ? assigned_id(core) : std::string(connect.client_id);
  client.username = connect.username;
  client.certificate = connection.channel.certificate();
  client.identity = identity_on(slot, client.certificate.get(), connect);
  client.trusted = listener.trusted;
  client.listener = listener.name;
  client.address = address_text(*connection.peer);
  client.protocol = static_cast<std::uint8_t>(connect.version);
  return client;
}

Reason reason_of(ConnectAnswer answer) {
  switch (answer) {
    case ConnectAnswer::kAccept:
      return Reason::kSuccess;
    case ConnectAnswer::kBadCredentials:
      return Reason::kBadCredentials;
    case ConnectAnswer::kNotAuthorised:
      return Reason::kNotAuthorised;
    case ConnectAnswer::kUnavailable:
      return Reason::kServerUnavailable;
  }
  return Reason::kServerUnavailable;
}

// The session that goes on, or null. One that may not go on is ended.
Session* take_over(Core& core, const ClientInfo& client, bool clean_start) {
  Session* known = core.sessions.find(client.client_id);
  if (known == nullptr) return nullptr;
  // One that ends with its connection does not go on in another; nor does an anonymous one with
  // somebody's identity.
  const bool goes_on =
      !clean_start && !known->is_transient() && known->client.identity == client.identity;
  if (known->connection != nullptr) {
    disconnect(core, *known->connection, Reason::kSessionTakenOver,
               "taken over by a new connection");  // [MQTT-3.1.4-2]
  }
  if (goes_on) return known;
  end_session(core, *known);
  return nullptr;
}

Fault keep_will(Core& core, Connection& connection, const mqtt::Connect& connect) {
  if (!connect.has_will) return Fault::kNone;
  const mqtt::Will& will = connect.will;
  mqtt::PublishProperties properties;
  const Fault fault = mqtt::read_will_properties(will.properties, properties);
  if (fault != Fault::kNone) return fault;
  std::string passed_on;
  mqtt::append_passed_on(passed_on, will.properties);
  connection.will = std::make_unique<Will>();
  connection.will->message =
      MessageRef::make({will.topic, will.payload, passed_on, will.qos}, &core.messages);
  connection.will->retain = will.retain;
  connection.will->delay_ms = std::int64_t{properties.will_delay_s} * 1000;
  connection.will->expiry_s = properties.expiry_s;
  return Fault::kNone;
}

// All but the id, which stays where it is: the table of sessions views it.
void adopt(ClientInfo& client, ClientInfo&& from) {
  client.identity = std::move(from.identity);
  client.username = std::move(from.username);
  client.certificate = std::move(from.certificate);
  client.trusted = from.trusted;
  client.listener = std::move(from.listener);
  client.address = std::move(from.address);
  client.protocol = from.protocol;
}

// Settles what the two sides may send each other. Returns the CONNACK's properties.
std::string agree(const Core& core, Connection& connection, const mqtt::Connect& connect,
                  Session& session) {
  const BrokerOptions& options = core.options;
  connection.version = connect.version;
  connection.window = options.max_inflight;
  connection.keep_alive_s = connect.keep_alive_s;
  if (connect.version != Version::k5) {
    session.expires_after_ms = connect.clean ? 0 : options.session_expiry_ms;
    return {};
  }
  mqtt::ConnectProperties wanted;
  TG_ASSERT(mqtt::read_connect_properties(connect.properties, wanted) == Fault::kNone);
  std::string out;
  using mqtt::Property;
  connection.window = std::min(options.max_inflight, wanted.receive_maximum);
  connection.v5 = std::make_unique<Version5>();
  connection.v5->alias_out_maximum =
      std::min(options.topic_alias_maximum, wanted.topic_alias_maximum);
  session.expires_after_ms = expiry_of(core, wanted.session_expiry_s);
  const auto expiry_s = session.expires_after_ms == Session::kNever
                            ? 0xFFFF'FFFFU
                            : static_cast<std::uint32_t>(session.expires_after_ms / 1000);
  if (expiry_s != wanted.session_expiry_s) {
    mqtt::put_property(out, Property::kSessionExpiry, expiry_s);
  }
  if (connect.client_id.empty()) {
    mqtt::put_property(out, Property::kAssignedClientId,
                       std::string_view(session.client.client_id));
  }
  if (connect.keep_alive_s == 0 || connect.keep_alive_s > options.max_keep_alive_s) {
    connection.keep_alive_s =
        static_cast<std::uint16_t>(std::min(options.max_keep_alive_s, 65'535U));
    mqtt::put_property(out, Property::kServerKeepAlive, connection.keep_alive_s);
  }
  mqtt::put_property(out, Property::kReceiveMaximum, options.receive_maximum);
  mqtt::put_property(out, Property::kTopicAliasMaximum, options.topic_alias_maximum);
  mqtt::put_property(out, Property::kMaximumPacketSize,
                     static_cast<std::uint32_t>(options.max_packet_size));
  return out;
}

// A session belongs to the identity that began it. An anonymous client reserves nothing:
// take_over() ends its session.
bool is_anothers(const Core& core, const ClientInfo& client) {
  const Session* known = core.sessions.find(client.client_id);
  return known != nullptr && !known->client.identity.empty() &&
         known->client.identity != client.identity;
}

// More than a connection does: a session or a will to keep.
bool needs_memory(const Core& core, const mqtt::Connect& connect) {
  if (connect.has_will) return true;
  mqtt::ConnectProperties wanted;
  if (connect.version == Version::k5) {
    TG_ASSERT(mqtt::read_connect_properties(connect.properties, wanted) == Fault::kNone);
  }
  const bool lasts = connect.version == Version::k5 ? wanted.session_expiry_s != 0 : !connect.clean;
  return lasts && core.sessions.find(connect.client_id) == nullptr;
}

// Of what waits for its answer.
std::unique_ptr<PendingConnect> take_pending(Core& core, Connection& connection) {
  core.pending_bytes -= connection.pending->bytes();
  return std::move(connection.pending);
}

void establish(Core& core, Connection& connection) {
  const auto pending = take_pending(core, connection);
  mqtt::Connect connect;
  TG_ASSERT(mqtt::decode_connect(pending->body, connect) == Fault::kNone);
  if (is_anothers(core, pending->client)) {  // since it asked
    refuse(core, connection, connect.version, Reason::kIdentifierNotValid);
    return;
  }
  if (!has_room(core) && needs_memory(core, connect)) {
    refuse(core, connection, connect.version, Reason::kQuotaExceeded);
    return;
  }
  Session* resumed = take_over(core, pending->client, connect.clean);
  if (resumed == nullptr && core.sessions.size() >= Sessions::kMax) {
    refuse(core, connection, connect.version, Reason::kServerUnavailable);
    return;
  }
  Session& session =
      resumed != nullptr ? *resumed : core.sessions.create(pending->client.client_id);
  if (resumed != nullptr) core.client_bytes -= bytes_of(session.client);
  adopt(session.client, std::move(pending->client));
  core.client_bytes += bytes_of(session.client);
  session.connection = &connection;
  session.expiry.disarm();
  session.will.reset();  // it came back in time
  connection.session = &session;
  connection.peer.reset();
  const std::string properties = agree(core, connection, connect, session);
  keep_session(core, session);
  TG_ASSERT(keep_will(core, connection, connect) == Fault::kNone);
  if (connection.keep_alive_s == 0 || connection.keep_alive_s > core.options.max_keep_alive_s) {
    connection.channel.probe_when_idle();
  }
  arm_timer(core, connection);
  ++core.counts.connected;
  core.most_connected = std::max(core.most_connected, ++core.connected);

  core.packet.clear();
  mqtt::append_connack(core.packet, connect.version, resumed != nullptr, mqtt::kAccepted,
                       properties);
  core.hooks.on_connected(session.client);
  if (core.packet.size() > connection.max_packet_size) {
    close(core, connection, "CONNACK is larger than its maximum packet size");  // [MQTT-3.1.2-24]
    return;
  }
  write(core, connection, core.packet);
  if (core.client_log.allow(session.client.client_id, core.now_ms)) {
    log::info(kLog, {{"CLIENT", session.client.client_id}, {"LISTENER", session.client.listener}},
              "{} connected from {} on {}", session.client.client_id, session.client.address,
              session.client.listener);
  }
  session.outbound.begin_resend();
  if (session.outbound.has_more()) pump(core, connection);
}

// Null when it has gone, or has been answered.
Connection* find_pending(const Core& core, std::uint64_t id) {
  Connection* connection = core.connections.find(id & ((1U << kConnectionSlotBits) - 1));
  const bool waits = connection != nullptr && connection->id == id && !connection->closing &&
                     connection->pending != nullptr;
  return waits ? connection : nullptr;
}

void on_answer(Core& core, std::uint64_t id, ConnectAnswer answer) {
  Connection* connection = find_pending(core, id);
  if (connection == nullptr) return;
  if (answer == ConnectAnswer::kAccept) {
    establish(core, *connection);
  } else {
    const auto version = static_cast<Version>(connection->pending->client.protocol);
    refuse(core, *connection, version, reason_of(answer));
    drop_pending(core, *connection);
  }
  resume(core, *connection, kAuthenticating);
  if (!core.in_round) core.poller.wake();
}

// What can be said without asking anyone.
Reason check(const Core& core, const ListenerOptions& listener, const mqtt::Connect& connect,
             const ClientInfo& client) {
  if (connect.client_id.empty() && !connect.clean && connect.version != Version::k5) {
    return Reason::kIdentifierNotValid;  // [MQTT-3.1.3-8]
  }
  if (connect.client_id.size() > kMaxClientId) return Reason::kIdentifierNotValid;
  // One that must have a name and has none, or a certificate that names nobody.
  if (client.identity.empty() && (!listener.anonymous || client.certificate)) {
    return Reason::kNotAuthorised;
  }
  return is_anothers(core, client) ? Reason::kIdentifierNotValid : Reason::kSuccess;
}

// The properties of version 5; what they say of the answers is kept.
Fault check_properties(Connection& connection, const mqtt::Connect& connect, Reason& reason) {
  if (connect.version != Version::k5) return Fault::kNone;
  mqtt::ConnectProperties properties;
  mqtt::PublishProperties of_will;
  Fault fault = mqtt::read_connect_properties(connect.properties, properties);
  if (fault == Fault::kNone) fault = mqtt::read_will_properties(connect.will.properties, of_will);
  if (properties.has_authentication) reason = Reason::kBadAuthenticationMethod;
  if (properties.max_packet_size != 0) connection.max_packet_size = properties.max_packet_size;
  connection.wants_reasons = properties.problem_information;
  return fault;
}

// Asks the hooks.
void authenticate(Core& core, Connection& connection, const mqtt::Connect& connect) {
  // A copy: the answer frees `pending`, and the hook may still look at the client then.
  const ClientInfo client = connection.pending->client;
  const ConnectRequest request{client, connect.username, connect.password, connect.has_username,
                               connect.has_password};
  core.hooks.authenticate(request, [shared = &core, id = connection.id](ConnectAnswer answer) {
    on_answer(*shared, id, answer);
  });
  if (connection.pending && !connection.closing) pause(connection, kAuthenticating);
}

void on_password(Core& core, std::uint64_t id, const std::string& hash, bool is_right) {
  Connection* connection = find_pending(core, id);
  if (connection == nullptr) return;
  const std::string body = connection->pending->body;  // `pending` may go
  mqtt::Connect connect;
  TG_ASSERT(mqtt::decode_connect(body, connect) == Fault::kNone);
  const std::string name(connect.username);
  Users& users = *core.listeners[connection->listener]->users;
  // The users may have been read anew meanwhile.
  if (!is_right || users.hash_of(name) != hash) {
    on_answer(core, id, ConnectAnswer::kBadCredentials);
    return;
  }
  users.remember_right(name, connect.password);
  authenticate(core, *connection, connect);
}

// Against the listener's users, off the loop: a hash takes its time.
void check_password(Core& core, Connection& connection, const ListenerSlot& slot,
                    const mqtt::Connect& connect) {
  const std::string name(connect.username);
  const std::string password(connect.password);
  if (slot.users->was_right(name, password)) {
    authenticate(core, connection, connect);
    return;
  }
  // One that is not known takes as long.
  std::string hash(slot.users->hash_of(name));
  if (hash.empty()) hash = kNobodysHash;
  const bool taken =
      core.slow->work.submit([hash, password] { return is_right_password(hash, password); },
                             [shared = &core, id = connection.id, hash](bool is_right) {
                               on_password(*shared, id, hash, is_right);
                             });
  if (taken) {
    pause(connection, kAuthenticating);
  } else {
    on_answer(core, connection.id, ConnectAnswer::kUnavailable);
  }
}

}  // namespace

std::size_t PendingConnect::bytes() const {
  return sizeof(PendingConnect) + bytes_of(client) + body.size();
}

void drop_pending(Core& core, Connection& connection) {
  if (connection.pending) take_pending(core, connection);
}

void handle_connect(Core& core, Connection& connection, const mqtt::Frame& frame) {
  if (connection.session != nullptr) {
    close_for(core, connection, Fault::kUnexpected);  // [MQTT-3.1.0-2]
    return;
  }
  mqtt::Connect connect;
  Reason reason = Reason::kSuccess;
  Fault fault = frame.flags != 0 ? Fault::kFlags : mqtt::decode_connect(frame.body, connect);
  if (fault == Fault::kProtocolLevel) {
    core.faults[static_cast<std::size_t>(fault)].add();
    refuse(core, connection, Version::k311, Reason::kUnsupportedVersion);
    return;
  }
  if (fault == Fault::kNone) fault = check_properties(connection, connect, reason);
  if (fault != Fault::kNone) {
    if (connect.version == Version::k5 && fault != Fault::kFlags) {
      write_refusal(core, connection, Version::k5,
                    static_cast<std::uint8_t>(mqtt::reason_of(fault)), mqtt::fault_name(fault));
    }
    close_for(core, connection, fault);
    return;
  }
  const ListenerSlot& slot = *core.listeners[connection.listener];
  ClientInfo client = describe(core, connection, slot, connect);
  if (reason == Reason::kSuccess) reason = check(core, slot.options, connect, client);
  if (reason != Reason::kSuccess) {
    refuse(core, connection, connect.version, reason);
    return;
  }
  connection.pending = std::make_unique<PendingConnect>();
  connection.pending->client = std::move(client);
  connection.pending->body = frame.body;
  core.pending_bytes += connection.pending->bytes();
  // With a certificate and users both are asked for.
  if (slot.users && (connect.has_username || !slot.options.anonymous)) {
    check_password(core, connection, slot, connect);
  } else {
    authenticate(core, connection, connect);
  }
}

}  // namespace tg::broker
