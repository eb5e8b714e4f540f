// One connection to a cloud broker. A Link opens one connection at a time; each open() has a
// generation, and every event names the generation it belongs to, so that late ones are recognised.
//
// Thread: the loop's (T0). All functions return at once; events come by post(), on the loop.
// In flight: what publish() took belongs to the link until on_acked or on_closed. After on_closed
// of a
//   generation nothing of it will ever be sent or acknowledged again: the caller may send it anew.
// The link has no window, no back-off and no buffer of its own: that is the uplink's.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/result.h"

namespace tg::cloud {

struct Endpoint {
  bool tls = false;
  std::string host;
  std::uint16_t port = 1883;
  bool https = false;                     // publish only, by HTTPS; tls is set
  bool expensive = false;                 // only for senders that may use it
  [[nodiscard]] std::string url() const;  // mqtt://host:port, mqtts://… or https://…
};

// mqtt://host[:1883] | mqtts://host[:8883] | https://host[:8443]; an IPv6 address stands in
// brackets.
[[nodiscard]] Result<Endpoint> parse_endpoint(const std::string& url);

// host:port; an IPv6 address stands in brackets.
[[nodiscard]] std::string authority(const std::string& host, std::uint16_t port);

struct Proxy {
  std::string credentials;  // user:password, or empty
  std::string host;
  std::uint16_t port = 0;
  [[nodiscard]] std::string url() const;
};

// http://[user:password@]host:port
[[nodiscard]] Result<Proxy> parse_proxy(const std::string& url);

struct LinkOptions {
  Endpoint endpoint;
  std::string client_id;
  std::string username;
  std::string password;
  int protocol = 4;       // 4 = 3.1.1, 5
  int keep_alive_s = 60;  // a silent link is down within 1.5 times this
  int connect_timeout_s = 30;
  std::string ca;           // file; empty = the system's
  std::string certificate;  // file
  std::string private_key;  // file
  std::string proxy;        // as parse_proxy() reads it, empty = none; the environment is not read
};

struct OutgoingPublish {
  std::uint64_t id = 0;  // the caller's
  std::string topic;
  std::string payload;
  std::uint8_t qos = 1;
  bool retain = false;
  // Protocol 5 only:
  std::string content_type;
  std::string response_topic;
  std::string correlation_data;
  std::optional<std::uint8_t> payload_format;
  std::optional<std::uint32_t> expiry_s;
  std::vector<std::pair<std::string, std::string>> user_properties;
};

// A message of a subscription; its id is 0.
using IncomingMessage = OutgoingPublish;

using Generation = std::uint64_t;

struct Connected {
  bool session_present = false;
  // Unacknowledged publishes the broker takes (protocol 5); Paho stalls for a second beyond it.
  std::uint16_t receive_maximum = 65535;
};

enum class DownCause : std::uint8_t {
  kOther,
  kResolver,     // the host name is not found
  kUnreachable,  // no answer, refused by the host, no route
  kCertificate,  // a certificate or a key, ours or theirs, is not accepted
  kExpired,      // a certificate is not valid at the time of our clock
  kHostName,     // the certificate bears another name
  kRefused,      // the broker or the proxy said no to CONNECT
  kClosed,       // the peer closed the connection, without a reason
  kRejected,     // … for something it was sent: the reason code blames a packet
  kServer,       // … for a reason of its own
};
[[nodiscard]] std::string_view to_string(DownCause cause);

// Why there is no connection.
struct Down {
  DownCause cause = DownCause::kOther;
  std::string reason;  // for people
};

// Why one publish was refused.
struct Refusal {
  std::string reason;
  bool for_ever = false;  // it would be refused again
};

struct LinkEvents {
  std::function<void(Generation, Connected)> on_connected = [](Generation, const Connected&) {};
  // The connection could not be made or has ended; on_closed follows.
  std::function<void(Generation, Down)> on_down = [](Generation, const Down&) {};
  std::function<void(Generation, std::uint64_t id)> on_acked = [](Generation, std::uint64_t) {};
  // The broker or the library refused this one publish.
  std::function<void(Generation, std::uint64_t id, Refusal)> on_refused =
      [](Generation, std::uint64_t, const Refusal&) {};
  // A message of a subscription. The library has acknowledged it already.
  std::function<void(Generation, const IncomingMessage&)> on_message =
      [](Generation, const IncomingMessage&) {};
  // The broker refused to subscribe to this filter.
  std::function<void(Generation, std::string filter, std::string reason)> on_not_subscribed =
      [](Generation, const std::string&, const std::string&) {};
  // The client object is gone.
  std::function<void(Generation)> on_closed = [](Generation) {};
};

class Link {
 public:
  virtual ~Link() = default;
  virtual void set_events(LinkEvents events) = 0;
  // Only after the previous generation's on_closed.
  virtual Generation open(LinkOptions options) = 0;
  // From open() until on_closed.
  [[nodiscard]] virtual bool is_open() const = 0;
  // False when the queue to the cloud thread is full: try again after an ack.
  [[nodiscard]] virtual bool publish(OutgoingPublish publish) = 0;
  // QoS 1; what the client publishes itself is not sent back (protocol 5). An HTTPS link has none.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): those that have one keep the filters
  virtual void subscribe(std::vector<std::string> filters) { (void)filters; }
  // Ends the connection, gracefully if it is up; on_closed follows, once.
  virtual void close() = 0;
  // Walks the way to an endpoint (name, TCP, TLS) and leaves it again, beside what is open. done
  // gets what stands in the way; an empty reason = nothing.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): those that can keep the options
  virtual void probe(LinkOptions options, std::function<void(Down)> done) {
    (void)options;
    done({DownCause::kOther, "this link cannot look ahead"});
  }
};

}  // namespace tg::cloud
