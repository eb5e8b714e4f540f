#include "local-broker/broker/transport/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace tg::broker {
namespace {

using AddressList = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

UniqueFd open_spare() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

Result<AddressList> parse_address(const std::string& address) {
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) {
    return fail(ErrorCode::kInvalid, fmt::format("listener address {}: no port", address));
  }
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found);
  if (code != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("listener address {}: {}", address, ::gai_strerror(code)));
  }
  return AddressList(found, &::freeaddrinfo);
}

Result<UniqueFd> bind_socket(const addrinfo& where, const std::string& address) {
  UniqueFd fd(::socket(where.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const auto failed = [&address](const char* what) {
    return fail(ErrorCode::kIo, fmt::format("listener {}: {}: {}", address, what,
                                            std::generic_category().message(errno)));
  };
  if (!fd.is_open()) return failed("socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // Inherited by what is accepted: one system call less a connection.
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (where.ai_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(fd.get(), where.ai_addr, where.ai_addrlen) != 0) return failed("bind");
  if (::listen(fd.get(), SOMAXCONN) != 0) return failed("listen");
  return fd;
}

std::uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

}  // namespace

Listener::Listener(std::string name, UniqueFd fd, bool anonymous)
    : name_(std::move(name)), fd_(std::move(fd)), spare_(open_spare()), anonymous_(anonymous) {
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  port_ = port_of(bound);
}

Result<Listener> Listener::open(const std::string& name, const std::string& address,
                                bool anonymous) {
  auto where = parse_address(address);
  if (!where) return tl::unexpected(where.error());
  auto fd = bind_socket(**where, address);
  if (!fd) return tl::unexpected(fd.error());
  return Listener(name, std::move(*fd), anonymous);
}

Listener::Outcome Listener::accept(Accepted& accepted) {
  socklen_t length = sizeof(accepted.peer);
  accepted.fd.reset(::accept4(fd_.get(), reinterpret_cast<sockaddr*>(&accepted.peer), &length,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (accepted.fd.is_open()) return Outcome::kAccepted;
  switch (errno) {
    case EAGAIN:
      return Outcome::kEmpty;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return turn_away();
    default:  // the caller has gone meanwhile (ECONNABORTED and the like)
      return fd_.is_open() ? Outcome::kRejected : Outcome::kEmpty;
  }
}

Listener::Outcome Listener::turn_away() {
  if (!spare_.is_open()) {
    spare_ = open_spare();
    if (!spare_.is_open()) return Outcome::kStuck;
  }
  spare_.reset();
  UniqueFd caller(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  const bool turned_away = caller.is_open();
  // Closed before the spare is taken again: it is the descriptor that the spare needs.
  caller.reset();
  spare_ = open_spare();
  return turned_away ? Outcome::kRejected : Outcome::kStuck;
}

std::string peer_text(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (peer.ss_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, text,
                sizeof(text));
    return fmt::format("[{}]:{}", text, port_of(peer));
  }
  ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text, sizeof(text));
  return fmt::format("{}:{}", text, port_of(peer));
}

}  // namespace tg::broker
