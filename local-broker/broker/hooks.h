// What the broker asks of whoever runs it. The broker knows no store and no cloud; the daemon
// implements these in daemon/app/wiring, tidegate-broker uses the defaults (everything allowed,
// nothing stored).
//
// Thread: the loop's (T0). A hook must return at once and must not call back into the broker,
// except where it says so. Views are valid during the call only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::broker {

// Names one acknowledgement that is owed: a session, its epoch and a packet id. Opaque to the hook.
using AckToken = std::uint64_t;

// A client's certificate; it was verified in the handshake.
struct Certificate {
  std::string common_name;
  std::vector<std::string> dns_names;
  std::vector<std::string> uris;
  std::vector<std::string> emails;
  std::string fingerprint;  // SHA-256, lower-case hex
  std::string issuer;       // RFC 2253
  std::string serial;       // hex
  std::int64_t not_after_s = 0;
};

struct ClientInfo {
  std::string client_id;
  std::string identity;  // common name of its certificate, user name, or empty = anonymous
  std::string username;
  std::string listener;
  std::string address;                                  // peer, for the log
  std::shared_ptr<const Certificate> certificate = {};  // null = none was asked for
  std::uint8_t protocol = 4;                            // 3 (MQIsdp), 4 (3.1.1), 5
  bool trusted = false;  // by its listener: may do without an identity what needs one
};

struct ConnectRequest {
  const ClientInfo& client;
  std::string_view username;
  std::string_view password;
  bool has_username = false;
  bool has_password = false;
};

enum class ConnectAnswer : std::uint8_t { kAccept, kBadCredentials, kNotAuthorised, kUnavailable };

struct Publication {
  const ClientInfo& client;
  std::string_view topic;
  std::string_view payload;
  // MQTT 5: the bytes of the properties that receivers get (no topic alias, no message expiry),
  // without their length, checked (mqtt::PropertyCursor walks them); else empty.
  std::string_view properties;
  std::uint8_t qos = 0;
  bool retain = false;
  bool is_will = false;
  std::optional<std::uint32_t> expiry_s = {};  // MQTT 5: message expiry
};

enum class Intake : std::uint8_t {
  kDone,     // nothing to wait for: acknowledge now
  kPending,  // acknowledge when Broker::complete(token) is called
  kHold,     // no room: stop reading this client, offer it again after Broker::resume_held()
  kRefuse,   // never: 0x97 to a version 5 client, no acknowledgement to an older one
};

enum class Access : std::uint8_t { kPublish, kSubscribe, kReceive };

class Hooks {
 public:
  virtual ~Hooks() = default;

  // The answer may be given during the call or later, once, on the loop, while the broker lives.
  virtual void authenticate(const ConnectRequest& request,
                            std::function<void(ConnectAnswer)> answer) {
    (void)request;
    answer(ConnectAnswer::kAccept);
  }
  // kPublish is asked for each publish and will, kSubscribe for each filter. kReceive is asked once
  // for a client and topic and remembered until subscriptions change or Broker::access_changed().
  virtual bool authorise(const ClientInfo& client, Access access, std::string_view topic) {
    (void)client, (void)access, (void)topic;
    return true;
  }
  // Offered before local delivery and before the retained set changes: kHold and kRefuse leave no
  // trace. Not called for a resent QoS 2 packet id that is already held.
  virtual Intake on_publish(const Publication& publication, AckToken token) {
    (void)publication, (void)token;
    return Intake::kDone;
  }
  virtual void on_connected(const ClientInfo& client) { (void)client; }
  virtual void on_disconnected(const ClientInfo& client, std::string_view reason) {
    (void)client, (void)reason;
  }
};

}  // namespace tg::broker
