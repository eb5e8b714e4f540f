// A minimal MQTT 3.1.1 peer on a loopback port and a thread of its own: enough to see what the link
// sends and to answer it. One connection after the other.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace tg::cloud {

struct Seen {
  std::uint8_t connect_flags = 0;
  std::uint8_t protocol = 0;
  int keep_alive_s = 0;
  std::vector<std::string> topics;  // of publishes, all connections
  int connects = 0;
  int disconnects = 0;
};

class Responder {
 public:
  enum class Manner {
    kSilent,          // accepts and never answers
    kAck,             // CONNACK and PUBACK
    kRefuse,          // CONNACK 5
    kDropOnPublish,   // CONNACK, closes at the first PUBLISH
    kAckNoPublishes,  // CONNACK, no PUBACK
  };

  explicit Responder(Manner manner);
  ~Responder();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] Seen seen() const;
  // A loopback port on which nobody listens.
  static std::uint16_t refused_port();

 private:
  void run();
  void serve(int fd);
  // False: close the connection.
  bool answer(int fd, std::uint8_t first, const std::string& body);

  const Manner manner_;
  std::uint16_t port_ = 0;  // before listener_, whose making fills it in
  UniqueFd listener_;
  std::atomic<bool> stop_ = false;
  mutable std::mutex mutex_;  // guards seen_
  Seen seen_;
  std::thread thread_;
};

}  // namespace tg::cloud
