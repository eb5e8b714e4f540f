#include "tests/unit/daemon/cloud/responder.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <stdexcept>
#include <string_view>

namespace tg::cloud {

namespace {

UniqueFd bind_loopback(std::uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), generic, size) != 0 || ::getsockname(fd.get(), generic, &size) != 0) {
    throw std::runtime_error("no loopback port");
  }
  port = ntohs(address.sin_port);
  return fd;
}

constexpr int kLookEveryMs = 20;

// Waits for bytes; false at the end of the connection or of the test.
bool read_exactly(int fd, std::string& out, std::size_t count, const std::atomic<bool>& stop) {
  out.clear();
  while (out.size() < count) {
    if (stop) return false;
    pollfd entry{fd, POLLIN, 0};
    if (::poll(&entry, 1, kLookEveryMs) != 1) continue;
    std::string part(count - out.size(), '\0');
    const ssize_t got = ::recv(fd, part.data(), part.size(), 0);
    if (got <= 0) return false;
    out.append(part, 0, static_cast<std::size_t>(got));
  }
  return true;
}

void write_all(int fd, std::string_view bytes) {
  static_cast<void>(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL));
}

std::uint8_t byte_at(const std::string& text, std::size_t at) {
  return static_cast<std::uint8_t>(text.at(at));
}

}  // namespace

Responder::Responder(Manner manner) : manner_(manner), listener_(bind_loopback(port_)) {
  ::listen(listener_.get(), 8);
  thread_ = std::thread([this] { run(); });
}

Responder::~Responder() {
  stop_ = true;
  thread_.join();
}

std::uint16_t Responder::refused_port() {
  std::uint16_t port = 0;
  bind_loopback(port);  // and closed again
  return port;
}

Seen Responder::seen() const {
  const std::lock_guard lock(mutex_);
  return seen_;
}

void Responder::run() {
  while (!stop_) {
    pollfd entry{listener_.get(), POLLIN, 0};
    if (::poll(&entry, 1, kLookEveryMs) != 1) continue;
    const UniqueFd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (peer.is_open()) serve(peer.get());
  }
}

void Responder::serve(int fd) {
  std::string part;
  while (read_exactly(fd, part, 1, stop_)) {
    const std::uint8_t first = byte_at(part, 0);
    std::size_t size = 0;
    for (unsigned shift = 0;; shift += 7) {
      if (!read_exactly(fd, part, 1, stop_)) return;
      size |= static_cast<std::size_t>(byte_at(part, 0) & 0x7F) << shift;
      if (byte_at(part, 0) < 0x80) break;
    }
    if (!read_exactly(fd, part, size, stop_)) return;
    if (!answer(fd, first, part)) return;
  }
}

bool Responder::answer(int fd, std::uint8_t first, const std::string& body) {
  const std::lock_guard lock(mutex_);
  switch (first >> 4) {
    case 1:
      ++seen_.connects;
      seen_.protocol = byte_at(body, 6);
      seen_.connect_flags = byte_at(body, 7);
      seen_.keep_alive_s = byte_at(body, 8) << 8 | byte_at(body, 9);
      if (manner_ == Manner::kSilent) return true;
      write_all(fd, manner_ == Manner::kRefuse ? std::string_view("\x20\x02\x00\x05", 4)
                                               : std::string_view("\x20\x02\x01\x00", 4));
      return manner_ != Manner::kRefuse;
    case 3: {
      const std::size_t length = (std::size_t{byte_at(body, 0)} << 8) | byte_at(body, 1);
      seen_.topics.push_back(body.substr(2, length));
      if (manner_ == Manner::kDropOnPublish) return false;
      if (manner_ == Manner::kAck) write_all(fd, "\x40\x02" + body.substr(2 + length, 2));
      return true;
    }
    case 12:
      write_all(fd, std::string_view("\xD0\x00", 2));
      return true;
    case 14:
      ++seen_.disconnects;
      return false;
    default:
      return true;
  }
}

}  // namespace tg::cloud
