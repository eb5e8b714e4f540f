// A listening socket, TCP or Unix. Accepts until the kernel has no more, a batch at a time.
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
#include "local-broker/broker/transport/address.h"
#include "local-broker/broker/transport/unix_socket.h"

namespace tg::broker {

struct Accepted {
  UniqueFd fd;
  sockaddr_storage peer{};
};

class Listener {
 public:
  // As parse_address() takes it.
  static Result<Listener> open(const std::string& address);
  // A socket that another process has bound; its file, if it has one, stays.
  static Result<Listener> adopt(UniqueFd fd);
  ~Listener();
  Listener(Listener&&) = default;
  Listener& operator=(Listener&&) = delete;

  enum class Outcome : std::uint8_t {
    kAccepted,
    kEmpty,     // wait for the next edge
    kRejected,  // this caller was turned away; there may be more
    kStuck,     // no descriptor at all: try again later
  };
  [[nodiscard]] Outcome accept(Accepted& accepted);
  // Whether somebody waits to be accepted.
  [[nodiscard]] bool has_caller() const;

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void close();

 private:
  Listener(UniqueFd fd, SocketFile file);
  Outcome turn_away();

  UniqueFd fd_;
  UniqueFd spare_;
  SocketFile file_;
  std::uint16_t port_ = 0;
};

}  // namespace tg::broker
