// CONNECT: who it is, whether it may, and which session it gets.
#include <fmt/core.h>

#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/core.h"

#include "local-broker/mqtt/encode.h"

namespace tg::broker {
namespace {

using mqtt::Fault;
using mqtt::Version;

constexpr std::size_t kMaxClientId = 1024;

void refuse(Core& core, Connection& connection, Version version, std::uint8_t code) {
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

std::uint8_t code_of(ConnectAnswer answer) {
  switch (answer) {
    case ConnectAnswer::kAccept:
      return mqtt::kAccepted;
    case ConnectAnswer::kBadCredentials:
      return mqtt::kBadCredentials;
    case ConnectAnswer::kNotAuthorised:
      return mqtt::kNotAuthorised;
    case ConnectAnswer::kUnavailable:
      return mqtt::kServerUnavailable;
  }
  return mqtt::kServerUnavailable;
}

// The session that goes on, or null. One that may not go on is ended.
Session* take_over(Core& core, const std::string& client_id, bool clean) {
  Session* known = core.sessions.find(client_id);
  if (known == nullptr) return nullptr;
  if (known->connection != nullptr) {
    close(core, *known->connection, "taken over by a new connection");  // [MQTT-3.1.4-2]
  }
  if (!clean && !known->clean) return known;
  end_session(core, *known);
  return nullptr;
}

void keep_will(Connection& connection, const mqtt::Connect& connect) {
  if (!connect.has_will) return;
  const mqtt::Will& will = connect.will;
  connection.will = std::make_unique<Will>();
  connection.will->message =
      MessageRef::make({will.topic, will.payload, will.properties, will.qos});
  connection.will->retain = will.retain;
}

// All but the id, which stays where it is: the table of sessions views it.
void adopt(ClientInfo& client, ClientInfo&& from) {
  client.identity = std::move(from.identity);
  client.username = std::move(from.username);
  client.listener = std::move(from.listener);
  client.address = std::move(from.address);
  client.protocol = from.protocol;
}

void establish(Core& core, Connection& connection) {
  const auto pending = std::move(connection.pending);
  mqtt::Connect connect;
  TG_ASSERT(mqtt::decode_connect(pending->body, connect) == Fault::kNone);
  Session* resumed = take_over(core, pending->client.client_id, connect.clean);
  if (resumed == nullptr && core.sessions.size() >= Sessions::kMax) {
    refuse(core, connection, connect.version, mqtt::kServerUnavailable);
    return;
  }
  Session& session =
      resumed != nullptr ? *resumed : core.sessions.create(pending->client.client_id);
  adopt(session.client, std::move(pending->client));
  session.clean = connect.clean;
  session.connection = &connection;
  session.expiry.disarm();
  connection.session = &session;
  connection.version = connect.version;
  connection.keep_alive_s = connect.keep_alive_s;
  connection.peer.reset();
  keep_will(connection, connect);
  if (connect.keep_alive_s == 0 || connect.keep_alive_s > core.options.max_keep_alive_s) {
    connection.channel.probe_when_idle();
  }
  arm_timer(core, connection);
  ++core.counts.connected;

  core.packet.clear();
  mqtt::append_connack(core.packet, connect.version, resumed != nullptr, mqtt::kAccepted);
  write(core, connection, core.packet);
  if (core.peer_log.allow(core.now_ms)) {
    log::info(kLog, "{} connected from {} on {}", session.client.client_id, session.client.address,
              session.client.listener);
  }
  core.hooks.on_connected(session.client);
  redeliver(core, connection);
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
    refuse(core, *connection, version, code_of(answer));
    connection->pending.reset();
  }
  resume(core, *connection, kAuthenticating);
  if (!core.in_round) core.poller.wake();
}

// What can be said without asking anyone: 0, or the code of the refusal.
std::uint8_t check(const mqtt::Connect& connect, const Listener& listener) {
  if (connect.version == Version::k5) return mqtt::kReasonUnsupportedVersion;
  if (connect.client_id.empty() && !connect.clean) {
    return mqtt::kIdentifierRejected;  // [MQTT-3.1.3-8]
  }
  if (connect.client_id.size() > kMaxClientId) return mqtt::kIdentifierRejected;
  if (!listener.anonymous() && !connect.has_username) return mqtt::kNotAuthorised;
  return mqtt::kAccepted;
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
  const Fault fault = frame.flags != 0 ? Fault::kFlags : mqtt::decode_connect(frame.body, connect);
  if (fault == Fault::kProtocolLevel) {
    core.faults[static_cast<std::size_t>(fault)].add();
    refuse(core, connection, Version::k311, mqtt::kUnacceptableVersion);
    return;
  }
  if (fault != Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  const Listener& listener = core.listeners[connection.listener]->listener;
  if (const std::uint8_t code = check(connect, listener); code != mqtt::kAccepted) {
    refuse(core, connection, connect.version, code);
    return;
  }
  authenticate(core, connection, connect, frame.body);
}

}  // namespace tg::broker
