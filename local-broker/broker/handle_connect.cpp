// CONNECT: who it is, whether it may, and which session it gets.
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"
#include "local-broker/mqtt/properties.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::Reason;
using mqtt::Version;

constexpr std::size_t kMaxClientId = 1024;

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

void refuse(Core& core, Connection& connection, Version version, Reason reason) {
  const std::uint8_t code = code_of(version, reason);
  core.packet.clear();
  mqtt::append_connack(core.packet, version, false, code);
  write(core, connection, core.packet);
  if (core.peer_log.allow(core.now_ms)) {
    log::info(kLog, "CONNECT from {} refused with code {}",
              connection.peer ? peer_text(*connection.peer) : "a peer", code);
  }
  close(core, connection, "CONNECT refused");
}

std::string assigned_id(Core& core) { return fmt::format("auto-{:016x}", core.random()); }

ClientInfo describe(Core& core, const Connection& connection, const mqtt::Connect& connect) {
  const Listener& listener = core.listeners[connection.listener]->listener;
  ClientInfo client;
  client.client_id = connect.client_id.empty() ? assigned_id(core) : std::string(connect.client_id);
  client.username = connect.username;
  // A name that nobody has to prove is no identity.
  if (!listener.anonymous()) client.identity = client.username;
  client.listener = listener.name();
  client.address = peer_text(*connection.peer);
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
Session* take_over(Core& core, const std::string& client_id, bool clean_start) {
  Session* known = core.sessions.find(client_id);
  if (known == nullptr) return nullptr;
  // One that ends with its connection does not go on in another.
  const bool goes_on = !clean_start && !known->is_transient();
  if (known->connection != nullptr) {
    disconnect(core, *known->connection, Reason::kSessionTakenOver,
               "taken over by a new connection");  // [MQTT-3.1.4-2]
  }
  if (goes_on) return known;
  end_session(core, *known);
  return nullptr;
}

Fault keep_will(Connection& connection, const mqtt::Connect& connect) {
  if (!connect.has_will) return Fault::kNone;
  const mqtt::Will& will = connect.will;
  mqtt::PublishProperties properties;
  const Fault fault = mqtt::read_will_properties(will.properties, properties);
  if (fault != Fault::kNone) return fault;
  std::string passed_on;
  mqtt::append_passed_on(passed_on, will.properties);
  connection.will = std::make_unique<Will>();
  connection.will->message = MessageRef::make({will.topic, will.payload, passed_on, will.qos});
  connection.will->retain = will.retain;
  connection.will->delay_ms = std::int64_t{properties.will_delay_s} * 1000;
  connection.will->lifetime_ms = std::int64_t{properties.expiry_s.value_or(0)} * 1000;
  return Fault::kNone;
}

// All but the id, which stays where it is: the table of sessions views it.
void adopt(ClientInfo& client, ClientInfo&& from) {
  client.identity = std::move(from.identity);
  client.username = std::move(from.username);
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
  if (wanted.max_packet_size != 0) connection.max_packet_size = wanted.max_packet_size;
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

void establish(Core& core, Connection& connection) {
  const auto pending = std::move(connection.pending);
  mqtt::Connect connect;
  TG_ASSERT(mqtt::decode_connect(pending->body, connect) == Fault::kNone);
  Session* resumed = take_over(core, pending->client.client_id, connect.clean);
  if (resumed == nullptr && core.sessions.size() >= Sessions::kMax) {
    refuse(core, connection, connect.version, Reason::kServerUnavailable);
    return;
  }
  Session& session =
      resumed != nullptr ? *resumed : core.sessions.create(pending->client.client_id);
  adopt(session.client, std::move(pending->client));
  session.connection = &connection;
  session.expiry.disarm();
  session.will.reset();  // it came back in time
  connection.session = &session;
  connection.peer.reset();
  const std::string properties = agree(core, connection, connect, session);
  keep_session(core, session);
  TG_ASSERT(keep_will(connection, connect) == Fault::kNone);
  if (connection.keep_alive_s == 0 || connection.keep_alive_s > core.options.max_keep_alive_s) {
    connection.channel.probe_when_idle();
  }
  arm_timer(core, connection);
  ++core.counts.connected;

  core.packet.clear();
  mqtt::append_connack(core.packet, connect.version, resumed != nullptr, mqtt::kAccepted,
                       properties);
  core.hooks.on_connected(session.client);
  if (core.packet.size() > connection.max_packet_size) {
    close(core, connection, "CONNACK is larger than its maximum packet size");  // [MQTT-3.1.2-24]
    return;
  }
  write(core, connection, core.packet);
  if (core.peer_log.allow(core.now_ms)) {
    log::info(kLog, "{} connected from {} on {}", session.client.client_id, session.client.address,
              session.client.listener);
  }
  session.outbound.begin_resend();
  if (session.outbound.has_more()) pump(core, connection);
}

void on_answer(Core& core, std::uint64_t id, ConnectAnswer answer) {
  Connection* connection = core.connections.find(id & ((1U << kConnectionSlotBits) - 1));
  if (connection == nullptr || connection->id != id || connection->closing ||
      !connection->pending) {
    return;
  }
  if (answer == ConnectAnswer::kAccept) {
    establish(core, *connection);
  } else {
    const auto version = static_cast<Version>(connection->pending->client.protocol);
    refuse(core, *connection, version, reason_of(answer));
    connection->pending.reset();
  }
  resume(core, *connection, kAuthenticating);
  if (!core.in_round) core.poller.wake();
}

// What can be said without asking anyone.
Reason check(const Core& core, const mqtt::Connect& connect, const Listener& listener) {
  if (connect.client_id.empty() && !connect.clean && connect.version != Version::k5) {
    return Reason::kIdentifierNotValid;  // [MQTT-3.1.3-8]
  }
  if (connect.client_id.size() > kMaxClientId) return Reason::kIdentifierNotValid;
  if (!listener.anonymous() && !connect.has_username) return Reason::kNotAuthorised;
  // A session belongs to the identity that began it.
  const Session* known = core.sessions.find(connect.client_id);
  if (known != nullptr && !known->client.identity.empty() &&
      (listener.anonymous() || known->client.identity != connect.username)) {
    return Reason::kIdentifierNotValid;
  }
  return Reason::kSuccess;
}

// The properties of version 5.
Fault check_properties(const mqtt::Connect& connect, Reason& reason) {
  if (connect.version != Version::k5) return Fault::kNone;
  mqtt::ConnectProperties properties;
  mqtt::PublishProperties of_will;
  Fault fault = mqtt::read_connect_properties(connect.properties, properties);
  if (fault == Fault::kNone) fault = mqtt::read_will_properties(connect.will.properties, of_will);
  if (properties.has_authentication) reason = Reason::kBadAuthenticationMethod;
  return fault;
}

void authenticate(Core& core, Connection& connection, const mqtt::Connect& connect,
                  std::string_view body) {
  connection.pending = std::make_unique<PendingConnect>();
  connection.pending->client = describe(core, connection, connect);
  connection.pending->body = body;
  // The answer frees `pending`; the hook may still look at the client then.
  const ClientInfo client = connection.pending->client;
  const ConnectRequest request{client, connect.username, connect.password, connect.has_username,
                               connect.has_password};
  core.hooks.authenticate(request, [shared = &core, id = connection.id](ConnectAnswer answer) {
    on_answer(*shared, id, answer);
  });
  if (connection.pending && !connection.closing) pause(connection, kAuthenticating);
}

}  // namespace

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
  if (fault == Fault::kNone) fault = check_properties(connect, reason);
  if (fault != Fault::kNone) {
    if (connect.version == Version::k5 && fault != Fault::kFlags) {
      core.packet.clear();
      mqtt::append_connack(core.packet, Version::k5, false,
                           static_cast<std::uint8_t>(mqtt::reason_of(fault)));
      write(core, connection, core.packet);
    }
    close_for(core, connection, fault);
    return;
  }
  const Listener& listener = core.listeners[connection.listener]->listener;
  if (reason == Reason::kSuccess) reason = check(core, connect, listener);
  if (reason != Reason::kSuccess) {
    refuse(core, connection, connect.version, reason);
    return;
  }
  authenticate(core, connection, connect, frame.body);
}

}  // namespace tg::broker
