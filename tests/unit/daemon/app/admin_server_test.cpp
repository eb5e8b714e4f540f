#include "daemon/app/admin_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/config/folder.h"
#include "tests/unit/local-broker/broker/pki.h"

namespace tg::app {
namespace {

template <class Address>
UniqueFd connected(int family, const Address& address) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

using broker::test::Issued;
using broker::test::Pki;

AdminTls tls_of(const Issued& pair) {
  auto loaded = load_admin_tls({pair.certificate, pair.key});
  REQUIRE(loaded);
  return *loaded;
}

class Bench {
 public:
  explicit Bench(const AdminTls& tls = nullptr, const std::string& address = "127.0.0.1:0")
      : server(context, routes) {
    routes.add("GET", "/probe", Access::kProbe, [](const AdminRequest&, const AdminReply& reply) {
      reply({200, "text/plain", "probe"});
    });
    routes.add("GET", "/open", Access::kOpen, [](const AdminRequest&, const AdminReply& reply) {
      reply({200, "text/plain", "open"});
    });
    path = folder.path / "admin.sock";
    REQUIRE(server.listen_unix(path));
    server.set_tokens(*AdminTokens::parse("reader:read:0123456789abcdef\n"));
    server.set_tls(tls);
    const auto bound = server.listen_tcp(address);
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

  static void send(const UniqueFd& peer, const std::string& text) {
    (void)::send(peer.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  // Its status line; empty when the connection was closed.
  std::string get(const UniqueFd& peer, const std::string& head = "") {
    send(peer, "GET /open HTTP/1.1\r\nHost: x\r\n" + head + "\r\n");
    const std::string answer = receive(peer);
    return answer.substr(0, answer.find('\r'));
  }

  // What is there next; empty when the connection was closed.
  std::string receive(const UniqueFd& peer) {
    std::array<char, 4096> buffer{};
    for (int tries = 0; tries < 10'000; ++tries) {
      context.run_for(std::chrono::milliseconds(1));
      const ssize_t got = ::recv(peer.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
    }
    return "no answer";
  }

  void run() { context.run_for(std::chrono::milliseconds(1)); }

  config::Folder folder;
  std::string path;
  std::uint16_t port = 0;
  boost::asio::io_context context;
  AdminRoutes routes;
  AdminServer server;
};

// Over TLS: the peer of one connection.
class TlsPeer {
 public:
  TlsPeer(Bench& bench, const Pki& pki, int max_version = 0)
      : bench_(bench), fd_(bench.over_tcp()), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_.get(), 0);  // so that it would take old versions
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    SSL_CTX_load_verify_file(context_.get(), pki.ca().c_str());
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
    ssl_.reset(SSL_new(context_.get()));
    ::fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    SSL_set_fd(ssl_.get(), fd_.get());
  }

  bool shake_hands() {
    return until_done([this] { return SSL_connect(ssl_.get()); }) == 1;
  }

  // The status line.
  std::string get(const std::string& path, const std::string& head = "") {
    const std::string request = "GET " + path + " HTTP/1.1\r\nHost: x\r\n" + head + "\r\n";
    REQUIRE(SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size())) > 0);
    std::array<char, 4096> buffer{};
    const int got = until_done([&] { return SSL_read(ssl_.get(), buffer.data(), buffer.size()); });
    if (got <= 0) return {};
    const std::string_view answer(buffer.data(), static_cast<std::size_t>(got));
    return std::string(answer.substr(0, answer.find('\r')));
  }

  [[nodiscard]] long serial() const {
    const std::unique_ptr<X509, Free> shown(SSL_get1_peer_certificate(ssl_.get()));
    return ASN1_INTEGER_get(X509_get0_serialNumber(shown.get()));
  }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    void operator()(SSL* ssl) const { SSL_free(ssl); }
    void operator()(X509* certificate) const { X509_free(certificate); }
  };

  template <class Step>
  int until_done(Step step) {
    for (int tries = 0; tries < 10'000; ++tries) {
      const int code = step();
      if (code > 0 || SSL_get_error(ssl_.get(), code) != SSL_ERROR_WANT_READ) {
        ERR_clear_error();
        return code;
      }
      bench_.run();
    }
    return 0;
  }

  Bench& bench_;
  UniqueFd fd_;
  std::unique_ptr<SSL_CTX, Free> context_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace

TEST_CASE("off loopback there is TLS or nothing") {
  boost::asio::io_context context;
  const AdminRoutes routes;
  AdminServer server(context, routes);
  const auto bound = server.listen_tcp("0.0.0.0:0");
  REQUIRE_FALSE(bound);
  CHECK_THAT(bound.error().message, Catch::Matchers::Contains("there is no admin.tls"));
}

TEST_CASE("over TLS off loopback all but the probes needs a token") {
  Pki pki;
  Bench bench(tls_of(pki.issue({"gateway"})), "0.0.0.0:0");
  TlsPeer peer(bench, pki);
  REQUIRE(peer.shake_hands());
  CHECK(peer.get("/probe") == "HTTP/1.1 200 OK");
  CHECK(peer.get("/open") == "HTTP/1.1 401 Unauthorized");
  CHECK(peer.get("/open", "Authorization: Bearer 0123456789abcdef\r\n") == "HTTP/1.1 200 OK");
  CHECK(bench.get(bench.over_tcp()).find("HTTP") == std::string::npos);  // plain
}

TEST_CASE("over TLS on loopback the gateway's own state is open") {
  Pki pki;
  Bench bench(tls_of(pki.issue({"gateway"})));
  TlsPeer peer(bench, pki);
  REQUIRE(peer.shake_hands());
  CHECK(peer.get("/open") == "HTTP/1.1 200 OK");
  CHECK(bench.get(bench.over_the_socket()) == "HTTP/1.1 200 OK");
}

TEST_CASE("TLS before 1.2 is refused") {
  Pki pki;
  Bench bench(tls_of(pki.issue({"gateway"})));
  CHECK_FALSE(TlsPeer(bench, pki, TLS1_1_VERSION).shake_hands());
  CHECK(TlsPeer(bench, pki, TLS1_2_VERSION).shake_hands());
}

TEST_CASE("a renewed certificate is for connections that come after it") {
  Pki pki;
  const Issued first = pki.issue({"gateway"});
  const Issued second = pki.issue({"renewed"});
  Bench bench(tls_of(first));
  TlsPeer before(bench, pki);
  REQUIRE(before.shake_hands());
  bench.server.set_tls(tls_of(second));
  TlsPeer after(bench, pki);
  REQUIRE(after.shake_hands());
  CHECK(before.serial() == first.serial);
  CHECK(after.serial() == second.serial);
  CHECK(before.get("/open") == "HTTP/1.1 200 OK");
}

TEST_CASE("who does not shake hands counts as a connection and hinders nobody else") {
  Pki pki;
  Bench bench(tls_of(pki.issue({"gateway"})));
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 31; ++i) silent.push_back(bench.over_tcp());
  TlsPeer last(bench, pki);
  REQUIRE(last.shake_hands());
  CHECK_FALSE(TlsPeer(bench, pki).shake_hands());
  CHECK(last.get("/open") == "HTTP/1.1 200 OK");
}

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

TEST_CASE("a request may come in pieces, and the next one with its end") {
  Bench bench;
  const UniqueFd peer = bench.over_tcp();
  const std::string request = "GET /open HTTP/1.1\r\nHost: x\r\n\r\n";
  for (const char byte : request.substr(0, request.size() - 1)) {
    Bench::send(peer, {byte});
    bench.run();
  }
  Bench::send(peer, "\n" + request);
  std::string all = bench.receive(peer);
  if (all.find("open") == all.rfind("open")) all += bench.receive(peer);
  CHECK(all.find("open") != all.rfind("open"));
  CHECK(all.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"));
}

TEST_CASE("the answer to HEAD has no body, that to 1.0 ends the connection") {
  Bench bench;
  const UniqueFd head = bench.over_tcp();
  Bench::send(head, "HEAD /open HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK_THAT(bench.receive(head), Catch::Matchers::EndsWith("\r\n\r\n"));
  const UniqueFd old = bench.over_tcp();
  Bench::send(old, "GET /open HTTP/1.0\r\n\r\n");
  CHECK_THAT(bench.receive(old), Catch::Matchers::Contains("Connection: close\r\n"));
  CHECK(bench.receive(old).empty());
}

TEST_CASE("what is no request is told so, and the connection ends") {
  Bench bench;
  const std::string chunked = "GET /open HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto [request, status] = GENERATE_COPY(table<std::string, std::string>({
      {"\x16\x03\x01\r\n", "400 Bad Request"},
      {"GET /open\r\n\r\n", "400 Bad Request"},
      {"GET /open HTTP/1.1\r\nContent-Length: many\r\n\r\n", "400 Bad Request"},
      {chunked + "many\r\n", "400 Bad Request"},
      {"GET /" + std::string(9'000, 'x'), "431 Request Header Fields Too Large"},
      {"GET /open HTTP/1.1\r\nA: " + std::string(9'000, 'x'),
       "431 Request Header Fields Too Large"},
      {chunked + "1;a=" + std::string(24'600, 'x'), "400 Bad Request"},
  }));
  INFO(request.substr(0, 60));
  const UniqueFd peer = bench.over_tcp();
  Bench::send(peer, request);
  CHECK_THAT(bench.receive(peer), Catch::Matchers::StartsWith("HTTP/1.1 " + status + "\r\n"));
  CHECK(bench.receive(peer).empty());
}

TEST_CASE("the scheme of a token may be written in any case") {
  Bench bench;
  const UniqueFd peer = bench.over_tcp();
  CHECK(bench.get(peer, "Authorization: Basic x\r\n") == "HTTP/1.1 200 OK");
  CHECK(bench.get(peer, "Authorization: bearer unknown\r\n") == "HTTP/1.1 401 Unauthorized");
}

}  // namespace tg::app
