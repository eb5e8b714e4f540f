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
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/result.h"

namespace tg::cloud {

struct Endpoint {
  bool tls = false;
  std::string host;
  std::uint16_t port = 1883;
  [[nodiscard]] std::string url() const;  // mqtt://host:port or mqtts://…
};

// mqtt://host[:1883] | mqtts://host[:8883]; an IPv6 address stands in brackets.
[[nodiscard]] Result<Endpoint> parse_endpoint(const std::string& url);

struct LinkOptions {
  Endpoint endpoint;
  std::string client_id;
  std::string username;
  std::string password;
  int protocol = 4;  // 4 = 3.1.1, 5
  int keep_alive_s = 60;
  int connect_timeout_s = 30;
  std::string ca;           // file; empty = the system's
  std::string certificate;  // file
  std::string private_key;  // file
  std::string proxy;        // http://host:port, empty = none; the environment is not read
};

struct OutgoingPublish {
  std::uint64_t id = 0;  // the caller's
  std::string topic;
  std::string payload;
  std::uint8_t qos = 1;
  bool retain = false;
  std::string content_type;                                          // protocol 5
  std::vector<std::pair<std::string, std::string>> user_properties;  // protocol 5
};

using Generation = std::uint64_t;

struct Connected {
  bool session_present = false;
  // Unacknowledged publishes the broker takes (protocol 5); Paho stalls for a second beyond it.
  std::uint16_t receive_maximum = 65535;
};

struct LinkEvents {
  std::function<void(Generation, Connected)> on_connected = [](Generation, const Connected&) {};
  // The connection could not be made or has ended; on_closed follows.
  std::function<void(Generation, std::string reason)> on_down = [](Generation, const std::string&) {
  };
  std::function<void(Generation, std::uint64_t id)> on_acked = [](Generation, std::uint64_t) {};
  // The broker or the library refused this one publish.
  std::function<void(Generation, std::uint64_t id, std::string reason)> on_refused =
      [](Generation, std::uint64_t, const std::string&) {};
  // The client object is gone.
  std::function<void(Generation)> on_closed = [](Generation) {};
};

class Link {
 public:
  virtual ~Link() = default;
  virtual void set_events(LinkEvents events) = 0;
  // Only after the previous generation's on_closed.
  virtual Generation open(LinkOptions options) = 0;
  // False when the queue to the cloud thread is full: try again after an ack.
  [[nodiscard]] virtual bool publish(OutgoingPublish publish) = 0;
  // Ends the connection, gracefully if it is up; on_closed follows, once.
  virtual void close() = 0;
};

}  // namespace tg::cloud
