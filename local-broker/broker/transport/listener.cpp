#include "local-broker/broker/transport/listener.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tg::broker {
namespace {

UniqueFd open_spare() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

void set_options(int fd) {
  const int on = 1;
  // Inherited by what is accepted: one system call less a connection.
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Result<UniqueFd> bind_tcp(const Address& address, const std::string& text) {
  UniqueFd fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  const auto failed = [&text](const char* what) {
    return fail(ErrorCode::kIo, fmt::format("listener {}: {}: {}", text, what,
                                            std::generic_category().message(errno)));
  };
  if (!fd.is_open()) return failed("socket");
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.storage.ss_family == AF_INET6) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  const auto* where = reinterpret_cast<const sockaddr*>(&address.storage);
  if (::bind(fd.get(), where, address.length) != 0) return failed("bind");
  if (::listen(fd.get(), SOMAXCONN) != 0) return failed("listen");
  return fd;
}

}  // namespace

Listener::Listener(UniqueFd fd, SocketFile file)
    : fd_(std::move(fd)), spare_(open_spare()), file_(std::move(file)) {
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  port_ = port_of(bound);
  if (bound.ss_family != AF_UNIX) set_options(fd_.get());
}

Listener::~Listener() { close(); }

Result<Listener> Listener::open(const std::string& text) {
  const auto address = parse_address(text);
  if (!address) return tl::unexpected(address.error());
  auto fd = address->path.empty() ? bind_tcp(*address, text) : bind_unix_socket(*address);
  if (!fd) return tl::unexpected(fd.error());
  return Listener(std::move(*fd), socket_file(address->path));
}

Result<Listener> Listener::adopt(UniqueFd fd) {
  int listens = 0;
  socklen_t length = sizeof(listens);
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length);
  if (listens == 0) return fail(ErrorCode::kInvalid, "an inherited socket does not listen");
  return Listener(std::move(fd), {});
}

void Listener::close() {
  if (!fd_.is_open()) return;
  fd_.reset();
  remove_socket_file(file_);
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

bool Listener::has_caller() const {
  pollfd wanted{fd_.get(), POLLIN, 0};
  return ::poll(&wanted, 1, 0) > 0;
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

}  // namespace tg::broker
