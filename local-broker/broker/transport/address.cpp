#include "local-broker/broker/transport/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <memory>

namespace tg::broker {
namespace {

constexpr std::string_view kUnix = "unix:";

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Result<Address> parse_unix(const std::string& path) {
  Address address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  if (path.empty() || path.front() != '/' || path.size() >= sizeof(un.sun_path)) {
    return fail(ErrorCode::kInvalid,
                fmt::format("listener address unix:{}: an absolute path of at most {} bytes is "
                            "needed",
                            path, sizeof(un.sun_path) - 1));
  }
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
  address.length = sizeof(un);
  address.path = path;
  return address;
}

}  // namespace

Result<Address> parse_address(const std::string& text) {
  if (text.starts_with(kUnix)) return parse_unix(text.substr(kUnix.size()));
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) {
    return fail(ErrorCode::kInvalid, fmt::format("listener address {}: no port", text));
  }
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
  if (code != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("listener address {}: {}", text, ::gai_strerror(code)));
  }
  const AddressList list(found, &::freeaddrinfo);
  Address address;
  std::memcpy(&address.storage, list->ai_addr, list->ai_addrlen);
  address.length = list->ai_addrlen;
  return address;
}

std::uint16_t port_of(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_INET6:
      return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
    case AF_INET:
      return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
    default:
      return 0;
  }
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_UNIX) {
    const auto& un = reinterpret_cast<const sockaddr_un&>(address);
    return un.sun_path[0] == '\0' ? "unix" : fmt::format("unix:{}", un.sun_path);
  }
  if (address.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(address).sin6_addr, text,
                sizeof(text));
    return fmt::format("[{}]:{}", text, port_of(address));
  }
  ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(address).sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, port_of(address));
}

}  // namespace tg::broker
