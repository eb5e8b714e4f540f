#include "local-broker/broker/transport/activation.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "local-broker/broker/transport/address.h"

namespace tg::broker {
namespace {

constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
constexpr int kMost = 64;

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  int number = 0;
  if (text == nullptr) return 0;
  const std::string_view digits(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

std::string bound_address(int fd) {
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0) return {};
  return address_text(bound);
}

}  // namespace

InheritedSockets InheritedSockets::from_environment() {
  InheritedSockets inherited;
  const int count = std::clamp(number_in("LISTEN_FDS"), 0, kMost);
  const char* names_text = std::getenv("LISTEN_FDNAMES");
  std::string names = names_text != nullptr ? names_text : "";
  const bool ours = number_in("LISTEN_PID") == ::getpid();
  for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(variable);
  if (!ours) return inherited;
  for (int fd = kFirst; fd < kFirst + count; ++fd) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    const std::size_t colon = names.find(':');
    inherited.sockets_.push_back({UniqueFd(fd), names.substr(0, colon), bound_address(fd)});
    names = colon == std::string::npos ? std::string() : names.substr(colon + 1);
  }
  return inherited;
}

UniqueFd InheritedSockets::take(std::string_view name, const std::string& address) {
  const auto parsed = parse_address(address);
  const std::string wanted = parsed ? address_text(parsed->storage) : address;
  auto at = std::find_if(sockets_.begin(), sockets_.end(),
                         [name](const Socket& socket) { return socket.name == name; });
  if (at == sockets_.end()) {
    at = std::find_if(sockets_.begin(), sockets_.end(),
                      [&wanted](const Socket& socket) { return socket.address == wanted; });
  }
  if (at == sockets_.end()) return {};
  UniqueFd fd = std::move(at->fd);
  sockets_.erase(at);
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  return fd;
}

std::vector<std::string> InheritedSockets::left() const {
  std::vector<std::string> all;
  for (const Socket& socket : sockets_) all.push_back(socket.name + " " + socket.address);
  return all;
}

}  // namespace tg::broker
