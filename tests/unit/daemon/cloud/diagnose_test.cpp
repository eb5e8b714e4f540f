#include "daemon/cloud/diagnose.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "daemon/base/unique_fd.h"

namespace tg::cloud {
namespace {

using Catch::Matchers::Contains;

// Takes one connection on loopback and does with it as it is told, on a thread of its own.
class Peer {
 public:
  explicit Peer(std::function<void(int)> serve) {
    listener_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listener_.get(), generic, size) == 0);
    REQUIRE(::listen(listener_.get(), 1) == 0);
    REQUIRE(::getsockname(listener_.get(), generic, &size) == 0);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
      if (client.is_open()) serve(client.get());
    });
  }
  ~Peer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::uint16_t port = 0;

 private:
  UniqueFd listener_;
  std::thread thread_;
};

void say(int fd, const std::string& text) { ::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

std::string head_of(int fd) {
  std::string head;
  char byte = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
  return head;
}

Down through(std::uint16_t proxy_port, const std::string& credentials = "") {
  LinkOptions options;
  options.endpoint.host = "broker.example";
  options.proxy = Proxy{credentials, "127.0.0.1", proxy_port}.url();
  return diagnose(options);
}

}  // namespace

TEST_CASE("a proxy that opens the tunnel stands in no way") {
  std::string asked;
  {
    Peer proxy([&asked](int fd) {
      asked = head_of(fd);
      say(fd, "HTTP/1.1 200 Connection established\r\n\r\n");
    });
    CHECK(through(proxy.port, "user:secret").reason.empty());
  }
  CHECK_THAT(asked, Contains("CONNECT broker.example:1883 HTTP/1.1\r\n") &&
                        Contains("\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
}

TEST_CASE("a proxy that refuses is named with its answer, and without its password") {
  Peer proxy([](int fd) {
    head_of(fd);
    say(fd, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
  });
  const Down down = through(proxy.port, "user:secret");
  CHECK(down.cause == DownCause::kRefused);
  CHECK(down.reason == "the proxy 127.0.0.1:" + std::to_string(proxy.port) +
                           ": answers CONNECT with HTTP/1.1 407 Proxy Authentication Required");
}

TEST_CASE("a proxy that answers byte by byte without an end does not hold the thread") {
  Peer proxy([](int fd) {
    pollfd gone{fd, POLLRDHUP, 0};
    do {
      say(fd, "x");
    } while (::poll(&gone, 1, 20) == 0);
  });
  const Down down = through(proxy.port);
  CHECK(down.cause == DownCause::kUnreachable);
  CHECK_THAT(down.reason, Contains("no answer to CONNECT"));
}

TEST_CASE("a proxy that is not there is named") {
  std::uint16_t port = 0;
  {
    const Peer gone([](int) {});
    port = gone.port;
  }
  const Down down = through(port);
  CHECK(down.cause == DownCause::kUnreachable);
  CHECK_THAT(down.reason, Contains("the proxy 127.0.0.1:" + std::to_string(port)) &&
                              Contains("Connection refused"));
}

}  // namespace tg::cloud
