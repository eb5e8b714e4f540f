// A listening TCP socket. Accepts until the kernel has no more, a batch at a time.
//
// Out of descriptors, a spare one is given up to accept and close the caller at once, so that the
// queue empties instead of the loop spinning.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <string>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

namespace tg::broker {

struct Accepted {
  UniqueFd fd;
  sockaddr_storage peer{};
};

class Listener {
 public:
  // "127.0.0.1:1883" or "[::1]:1883"; port 0 = any free one.
  static Result<Listener> open(const std::string& name, const std::string& address, bool anonymous);

  enum class Outcome : std::uint8_t {
    kAccepted,
    kEmpty,     // wait for the next edge
    kRejected,  // this caller was turned away; there may be more
    kStuck,     // no descriptor at all: try again later
  };
  [[nodiscard]] Outcome accept(Accepted& accepted);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] bool anonymous() const { return anonymous_; }
  void close() { fd_.reset(); }

 private:
  Listener(std::string name, UniqueFd fd, bool anonymous);
  Outcome turn_away();

  std::string name_;
  UniqueFd fd_;
  UniqueFd spare_;
  std::uint16_t port_ = 0;
  bool anonymous_;
};

// "192.0.2.1:5000", "[::1]:5000".
[[nodiscard]] std::string peer_text(const sockaddr_storage& peer);

}  // namespace tg::broker
