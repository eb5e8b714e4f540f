// Where a listener listens, and how a peer's address reads.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>

#include "daemon/base/result.h"

namespace tg::broker {

// "127.0.0.1:1883", "[::1]:1883", "localhost:1883", "unix:/run/x.sock"; port 0 = any free one.
struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::string path;  // of a Unix socket; empty = TCP
};

[[nodiscard]] Result<Address> parse_address(const std::string& text);
// "192.0.2.1:5000", "[::1]:5000", "unix:/run/x.sock"; "unix" for a peer, which has no name.
[[nodiscard]] std::string address_text(const sockaddr_storage& address);
// 0 when it has none.
[[nodiscard]] std::uint16_t port_of(const sockaddr_storage& address);

}  // namespace tg::broker
