// The header that a load balancer puts before a connection's bytes: PROXY protocol, version 2.
// Pure.
//
//   "\r\n\r\n\0\r\nQUIT\n"  2:4 command:4  family:4 transport:4  length:16  addresses, TLVs
//
// LOCAL (the balancer's own health check), and families other than IPv4 and IPv6, leave the peer as
// it is. TLVs are skipped. Limits: 2 KiB.
#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tg::broker {

struct ProxyHeader {
  enum class State : std::uint8_t { kPartial, kMalformed, kComplete };
  State state = State::kPartial;
  std::size_t size = 0;  // of the whole header, or of as much of it as must be there to tell
  std::optional<sockaddr_storage> source;  // the real peer
};

[[nodiscard]] ProxyHeader read_proxy_header(std::string_view bytes);

}  // namespace tg::broker
