#include "daemon/app/admin_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/config/folder.h"

namespace tg::app {
namespace {

template <class Address>
UniqueFd connected(int family, const Address& address) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

class Bench {
 public:
  Bench() : server(context, routes) {
    routes.add("GET", "/open", Access::kOpen, [](const AdminRequest&, const AdminReply& reply) {
      reply({200, "text/plain", "open"});
    });
    path = folder.path / "admin.sock";
    REQUIRE(server.listen_unix(path));
    const auto bound = server.listen_tcp("127.0.0.1:0");
    REQUIRE(bound);
    port = *bound;
  }

  UniqueFd over_tcp() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connected(AF_INET, address);
  }
  UniqueFd over_the_socket() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return connected(AF_UNIX, address);
  }

  // Its status line; empty when the connection was closed.
  std::string get(const UniqueFd& peer, const std::string& head = "") {
    const std::string request = "GET /open HTTP/1.1\r\nHost: x\r\n" + head + "\r\n";
    (void)::send(peer.get(), request.data(), request.size(), MSG_NOSIGNAL);
    std::array<char, 4096> buffer{};
    for (int tries = 0; tries < 10'000; ++tries) {
      context.run_for(std::chrono::milliseconds(1));
      const ssize_t got = ::recv(peer.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0) return {};
      const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
      return std::string(answer.substr(0, answer.find('\r')));
    }
    return "no answer";
  }

  config::Folder folder;
  std::string path;
  std::uint16_t port = 0;
  boost::asio::io_context context;
  AdminRoutes routes;
  AdminServer server;
};

}  // namespace

TEST_CASE("who holds all connections over TCP does not keep out who comes by the socket") {
  Bench bench;
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(bench.over_tcp());
  const UniqueFd late = bench.over_tcp();
  CHECK(bench.get(late).empty());
  const UniqueFd operators = bench.over_the_socket();
  CHECK(bench.get(operators) == "HTTP/1.1 200 OK");
  idle.clear();
  bench.get(operators);  // the server learns that they have gone
  const UniqueFd next = bench.over_tcp();
  CHECK(bench.get(next) == "HTTP/1.1 200 OK");
}

TEST_CASE("the scheme of a token may be written in any case") {
  Bench bench;
  const UniqueFd peer = bench.over_tcp();
  CHECK(bench.get(peer, "Authorization: Basic x\r\n") == "HTTP/1.1 200 OK");
  CHECK(bench.get(peer, "Authorization: bearer unknown\r\n") == "HTTP/1.1 401 Unauthorized");
}

}  // namespace tg::app
