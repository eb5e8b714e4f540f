#include "daemon/cloud/connection.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <utility>

namespace tg::cloud {

namespace {

constexpr int kMaxInflight = 1000;
constexpr bool kNoLocal = mqtt::subscribe_options::SUBSCRIBE_NO_LOCAL;
constexpr std::uint32_t kSessionExpirySeconds = 7 * 24 * 3600;
constexpr std::uint16_t kAlpnPort = 443;
constexpr auto kDisconnectWait = std::chrono::seconds(2);

// Paho pings after this long without traffic and gives a silent link up after 1.5 times as long
// again, looking once a second: together at most 1.5 times the keep-alive that was asked for.
constexpr int paho_keep_alive_s(int keep_alive_s) {
  return std::max(1, (3 * keep_alive_s - 2) / 5);
}

std::string server_uri(const Endpoint& endpoint, const std::string& address) {
  // With TLS Paho takes the name to be verified from here.
  const std::string& host = endpoint.tls ? endpoint.host : address;
  const bool ipv6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}:{}", endpoint.tls ? "ssl" : "tcp", ipv6 ? '[' + host + ']' : host,
                     endpoint.port);
}

// With the first of all clients: else Paho initialises all of OpenSSL, which does so by itself when
// there is TLS, and takes 2 MB for it.
mqtt::create_options options_for_client() {
  static std::once_flag once;
  std::call_once(once, [] {
    MQTTAsync_init_options options = MQTTAsync_init_options_initializer;
    MQTTAsync_global_init(&options);
  });
  return mqtt::create_options(MQTTVERSION_5);
}

const char* connack_text(int code) {
  switch (code) {
    case 1:
      return "unacceptable protocol version";
    case 2:
      return "client identifier rejected";
    case 3:
      return "server unavailable";
    case 4:
      return "bad user name or password";
    case 5:
    case 7:  // AWS IoT
      return "not authorised";
    default:
      return "unknown code";
  }
}

// The broker's reason code if there is one that says no, else 0. Paho's 255 stands for "3.1.1".
int refusal(const mqtt::token& token, int protocol) {
  const int reason = static_cast<int>(token.get_reason_code());
  return protocol >= 5 && reason >= 0x80 ? reason : 0;
}

std::string refusal_text(int reason) {
  return fmt::format("reason code {:#04x} ({})", reason, mqtt::exception::reason_code_str(reason));
}

// A publish with one of these would be refused again.
bool is_for_ever(int reason) {
  constexpr int kPacketIdInUse = 0x91;
  constexpr int kQuotaExceeded = 0x97;
  return reason != kPacketIdInUse && reason != kQuotaExceeded;
}

// The server's DISCONNECT: does its reason code blame a packet of ours?
DownCause cause_of_disconnect(int reason) {
  switch (reason) {
    case 0x80:  // unspecified
    case 0x81:  // malformed packet
    case 0x82:  // protocol error
    case 0x83:  // implementation specific
    case 0x87:  // not authorised
    case 0x90:  // topic name invalid
    case 0x95:  // packet too large
    case 0x99:  // payload format invalid
    case 0x9A:  // retain not supported
    case 0x9B:  // QoS not supported
      return DownCause::kRejected;
    default:
      return DownCause::kServer;
  }
}

std::string connect_failure_text(const mqtt::token& token) {
  const int code = token.get_return_code();
  if (code > 0) return fmt::format("CONNACK {}: {}", code, connack_text(code));
  try {
    static_cast<void>(token.get_connect_response());  // throws what the token keeps to itself
  } catch (const mqtt::exception& e) {
    if (!e.get_message().empty()) return e.get_message();
  }
  return fmt::format("connect failed ({})", code);
}

mqtt::properties publish_properties(const OutgoingPublish& publish) {
  mqtt::properties properties;
  if (!publish.content_type.empty()) {
    properties.add(mqtt::property(mqtt::property::CONTENT_TYPE, publish.content_type));
  }
  if (!publish.response_topic.empty()) {
    properties.add(mqtt::property(mqtt::property::RESPONSE_TOPIC, publish.response_topic));
  }
  if (!publish.correlation_data.empty()) {
    properties.add(mqtt::property(mqtt::property::CORRELATION_DATA, publish.correlation_data));
  }
  if (publish.payload_format) {
    properties.add(mqtt::property(mqtt::property::PAYLOAD_FORMAT_INDICATOR,
                                  static_cast<std::int32_t>(*publish.payload_format)));
  }
  if (publish.expiry_s) {
    properties.add(mqtt::property(mqtt::property::MESSAGE_EXPIRY_INTERVAL,
                                  static_cast<std::int32_t>(*publish.expiry_s)));
  }
  for (const auto& [name, value] : publish.user_properties) {
    properties.add(mqtt::property(mqtt::property::USER_PROPERTY, name, value));
  }
  return properties;
}

std::string text_of(const mqtt::properties& properties, mqtt::property::code code) {
  return properties.contains(code) ? mqtt::get<std::string>(properties, code) : std::string();
}

IncomingMessage incoming(const mqtt::message& message) {
  IncomingMessage out;
  out.topic = message.get_topic();
  out.payload = message.get_payload();
  out.qos = static_cast<std::uint8_t>(message.get_qos());
  out.retain = message.is_retained();
  const mqtt::properties& properties = message.get_properties();
  if (properties.empty()) return out;
  out.content_type = text_of(properties, mqtt::property::CONTENT_TYPE);
  out.response_topic = text_of(properties, mqtt::property::RESPONSE_TOPIC);
  out.correlation_data = text_of(properties, mqtt::property::CORRELATION_DATA);
  if (properties.contains(mqtt::property::PAYLOAD_FORMAT_INDICATOR)) {
    out.payload_format =
        mqtt::get<std::uint8_t>(properties, mqtt::property::PAYLOAD_FORMAT_INDICATOR);
  }
  if (properties.contains(mqtt::property::MESSAGE_EXPIRY_INTERVAL)) {
    out.expiry_s = mqtt::get<std::uint32_t>(properties, mqtt::property::MESSAGE_EXPIRY_INTERVAL);
  }
  for (std::size_t i = 0; i < properties.count(mqtt::property::USER_PROPERTY); ++i) {
    auto [name, value] = mqtt::get<mqtt::string_pair>(properties, mqtt::property::USER_PROPERTY, i);
    out.user_properties.emplace_back(std::move(name), std::move(value));
  }
  return out;
}

}  // namespace

Connection::Connection(LinkOptions options, const std::string& address, Events events)
    : options_(std::move(options)),
      events_(std::move(events)),
      client_(server_uri(options_.endpoint, address), options_.client_id, options_for_client(),
              nullptr) {
  client_.set_connection_lost_handler([this](const std::string&) {
    events_.on_ended(
        {DownCause::kClosed, "the connection was lost: closed by the peer, or no answer"}, true);
  });
  client_.set_message_callback(
      [this](const mqtt::const_message_ptr& message) { events_.on_message(incoming(*message)); });
  if (options_.protocol < 5) return;
  client_.set_disconnected_handler([this](const mqtt::properties&, mqtt::ReasonCode code) {
    const int reason = static_cast<int>(code);
    events_.on_ended(
        {cause_of_disconnect(reason), "the server disconnected: " + refusal_text(reason)}, true);
  });
}

mqtt::connect_options Connection::connect_options() const {
  mqtt::connect_options out;
  out.set_mqtt_version(options_.protocol);
  if (options_.protocol >= 5) {
    out.set_clean_start(false);
    mqtt::properties properties;
    properties.add(mqtt::property(mqtt::property::SESSION_EXPIRY_INTERVAL, kSessionExpirySeconds));
    out.set_properties(std::move(properties));
  } else {
    out.set_clean_session(false);
  }
  out.set_automatic_reconnect(false);
  out.set_max_inflight(kMaxInflight);
  out.set_keep_alive_interval(paho_keep_alive_s(options_.keep_alive_s));
  out.set_connect_timeout(options_.connect_timeout_s);
  if (!options_.username.empty()) out.set_user_name(options_.username);
  if (!options_.password.empty()) out.set_password(options_.password);
  if (options_.endpoint.tls) {
    mqtt::ssl_options ssl;
    if (!options_.ca.empty()) ssl.set_trust_store(options_.ca);
    if (!options_.certificate.empty()) ssl.set_key_store(options_.certificate);
    if (!options_.private_key.empty()) ssl.set_private_key(options_.private_key);
    ssl.set_enable_server_cert_auth(true);
    ssl.set_verify(true);  // the host name
    if (options_.endpoint.port == kAlpnPort) ssl.set_alpn_protos({"x-amzn-mqtt-ca"});
    out.set_ssl(std::move(ssl));
    if (!options_.proxy.empty()) out.set_https_proxy(options_.proxy);
  } else if (!options_.proxy.empty()) {
    out.set_http_proxy(options_.proxy);
  }
  return out;
}

std::string Connection::connect() try {
  client_.connect(connect_options(), nullptr, *this);
  return "";
} catch (const std::exception& e) {
  return e.what();
}

std::optional<Refusal> Connection::publish(OutgoingPublish publish) {
  std::uintptr_t key = 0;
  {
    const std::lock_guard lock(mutex_);
    key = ++last_key_;
    sent_.emplace(key, publish.id);
  }
  try {
    mqtt::properties properties;
    if (options_.protocol >= 5) properties = publish_properties(publish);
    auto message = mqtt::message::create(std::move(publish.topic), std::move(publish.payload),
                                         publish.qos, publish.retain, properties);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the key is what the acknowledgement brings back
    client_.publish(std::move(message), reinterpret_cast<void*>(key), *this);
    return std::nullopt;
  } catch (const mqtt::exception& e) {
    // The connection has gone: on_ended follows, and the publish stays ours until the end.
    if (e.get_return_code() == MQTTASYNC_DISCONNECTED) return std::nullopt;
    const std::lock_guard lock(mutex_);
    sent_.erase(key);
    return Refusal{e.what(), e.get_return_code() == MQTTASYNC_BAD_UTF8_STRING};
  } catch (const std::exception& e) {
    const std::lock_guard lock(mutex_);
    sent_.erase(key);
    return Refusal{e.what(), false};
  }
}

// Paho C++ 1.2 crashes on a list of filters with options: one SUBSCRIBE for each.
std::string Connection::subscribe(const std::string& filter) try {
  constexpr int kQos = 1;
  const mqtt::subscribe_options options =
      options_.protocol >= 5 ? mqtt::subscribe_options(kNoLocal) : mqtt::subscribe_options();
  client_.subscribe(filter, kQos, nullptr, *this, options);
  return "";
} catch (const mqtt::exception& e) {
  return e.get_return_code() == MQTTASYNC_DISCONNECTED ? "" : e.what();
} catch (const std::exception& e) {
  return e.what();
}

// SUBACK.
void Connection::on_subscribed(const mqtt::token& token) {
  const auto names = token.get_topics();
  if (!names) return;
  const mqtt::subscribe_response response = token.get_subscribe_response();
  const auto& codes = response.get_reason_codes();
  for (std::size_t i = 0; i < names->size(); ++i) {
    const int code = i < codes.size() ? static_cast<int>(codes[i]) : 0;
    if (code >= 0x80) events_.on_not_subscribed((*names)[i], refusal_text(code));
  }
}

void Connection::disconnect() try {
  ending_ = true;
  client_.disconnect(0)->wait_for(kDisconnectWait);
} catch (const std::exception&) {
  // It was down already: what follows, the destruction, is the same.
}

bool Connection::take(void* context, std::uint64_t& id) {
  const std::lock_guard lock(mutex_);
  const auto found = sent_.find(reinterpret_cast<std::uintptr_t>(context));
  if (found == sent_.end()) return false;
  id = found->second;
  sent_.erase(found);
  return true;
}

void Connection::on_success(const mqtt::token& token) {
  if (token.get_type() == mqtt::token::Type::CONNECT) {
    const mqtt::connect_response response = token.get_connect_response();
    Connected connected;
    connected.session_present = response.is_session_present();
    const mqtt::properties& properties = response.get_properties();
    if (options_.protocol >= 5 && properties.contains(mqtt::property::RECEIVE_MAXIMUM)) {
      connected.receive_maximum =
          mqtt::get<std::uint16_t>(properties, mqtt::property::RECEIVE_MAXIMUM);
    }
    events_.on_connected(connected);
    return;
  }
  if (token.get_type() == mqtt::token::Type::SUBSCRIBE) return on_subscribed(token);
  std::uint64_t id = 0;
  if (!take(token.get_user_context(), id)) return;
  if (const int reason = refusal(token, options_.protocol); reason != 0) {
    events_.on_refused(id, {refusal_text(reason), is_for_ever(reason)});
  } else {
    events_.on_acked(id);
  }
}

void Connection::on_failure(const mqtt::token& token) {
  const int reason = refusal(token, options_.protocol);
  if (token.get_type() == mqtt::token::Type::CONNECT) {
    const bool answered = reason != 0 || token.get_return_code() > 0;
    events_.on_ended(
        {answered ? DownCause::kRefused : DownCause::kOther,
         reason != 0 ? "CONNACK " + refusal_text(reason) : connect_failure_text(token)},
        answered);
    return;
  }
  if (token.get_type() == mqtt::token::Type::SUBSCRIBE) {
    if (ending_ || !token.get_topics()) return;
    const std::string why = reason != 0 ? refusal_text(reason) : "refused";
    const auto names = token.get_topics();
    for (std::size_t i = 0; i < names->size(); ++i) events_.on_not_subscribed((*names)[i], why);
    return;
  }
  std::uint64_t id = 0;
  if (ending_ || !take(token.get_user_context(), id)) return;
  const int code = token.get_return_code();
  events_.on_refused(id,
                     {reason != 0 ? refusal_text(reason)
                                  : fmt::format("{} ({})", mqtt::exception::error_str(code), code),
                      reason != 0 && is_for_ever(reason)});
}

}  // namespace tg::cloud
