#include "local-broker/broker/transport/channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace tg::broker {
namespace {

IoResult result_of(ssize_t count) {
  if (count > 0) return {IoState::kOk, static_cast<std::size_t>(count)};
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)) {
    return {IoState::kBlocked, 0};
  }
  return {IoState::kClosed, 0};
}

}  // namespace

IoResult Channel::receive(std::span<char> buffer) {
  ssize_t count = 0;
  do {
    count = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
  } while (count < 0 && errno == EINTR);
  return result_of(count);
}

IoResult Channel::send(std::string_view bytes) {
  ssize_t count = 0;
  do {
    count = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  return result_of(count);
}

void Channel::probe_when_idle() {
  const int on = 1;
  const int idle_s = 600;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
}

void Channel::end_output() { ::shutdown(fd_.get(), SHUT_WR); }

}  // namespace tg::broker
