#include "local-broker/broker/users.h"

#include <poll.h>

#include "local-broker/broker/password.h"
#include "tests/unit/local-broker/broker/pki.h"
#include "tests/unit/local-broker/broker/test_client.h"
#include "tests/unit/local-broker/broker/tls_client.h"

using namespace tg::broker;
using namespace tg::broker::test;

namespace {

// A listener whose users are pump (password "secret") and lamp ("light").
struct Guarded {
  explicit Guarded(bool anonymous = false) {
    options.name = "users";
    options.address = "127.0.0.1:0";
    options.anonymous = anonymous;
    options.users = pki.write("users", "pump:" + hash_password("secret", 50) +
                                           "\nlamp:" + hash_password("light", 50) + "\n");
  }
  void listen() {
    const auto bound = f.broker->listen(options);
    REQUIRE(bound);
    f.port = *bound;
  }
  // The CONNACK's code; waits for the other thread.
  int connect(Client& client, const std::string& id, const std::string& name,
              const std::string& password) {
    ConnectOptions who;
    who.username = name;
    who.password = password;
    int code = client.connect(id, who);
    for (int i = 0; code < 0 && i < 500; ++i) {
      const bool is_closed = client.is_closed();  // what came before the end is still there
      const Packet answer = client.next();
      if (answer.type == 2) code = answer.id();
      if (is_closed) break;
      pollfd wanted{f.broker->poll_fd(), POLLIN, 0};
      ::poll(&wanted, 1, 10);
    }
    return code;
  }

  Pki pki;
  Fixture f;
  ListenerOptions options;
};

}  // namespace

TEST_CASE("A user is who proves it by the password") {
  Guarded g;
  g.listen();
  Client a(g.f);
  CHECK(g.connect(a, "a", "pump", "secret") == 0);
  CHECK(g.f.hooks.connected.back().identity == "pump");
  Client b(g.f);
  CHECK(g.connect(b, "b", "pump", "light") == 4);
  Client c(g.f);
  CHECK(g.connect(c, "c", "nobody", "secret") == 4);
  Client d(g.f);
  CHECK(d.connect("d") == 5);
  Client again(g.f);
  ConnectOptions same;
  same.username = "pump";
  same.password = "secret";
  CHECK(again.connect("again", same) == 0);  // remembered: no other thread is asked
}

TEST_CASE("Where anonymous clients may come in, a name that is given must be proved") {
  Guarded g(true);
  g.listen();
  Client a(g.f);
  CHECK(a.connect("a") == 0);
  CHECK(g.f.hooks.connected.back().identity.empty());
  Client b(g.f);
  CHECK(g.connect(b, "b", "pump", "wrong") == 4);
  Client c(g.f);
  CHECK(g.connect(c, "c", "pump", "secret") == 0);
  CHECK(g.f.hooks.connected.back().identity == "pump");
}

TEST_CASE("A connection that ends while its password is looked at does no harm") {
  Guarded g;
  g.listen();
  {
    Client a(g.f);
    ConnectOptions who;
    who.username = "pump";
    who.password = "secret";
    a.connect("a", who);
  }
  Client b(g.f);
  CHECK(g.connect(b, "b", "lamp", "light") == 0);
  CHECK(g.f.broker->stats().connections == 1);
}

TEST_CASE("Users are read anew; who was taken away is not let in again") {
  Guarded g;
  g.listen();
  Client a(g.f);
  REQUIRE(g.connect(a, "a", "pump", "secret") == 0);
  g.pki.write("users", "lamp:" + hash_password("new", 50) + "\n");
  REQUIRE(g.f.broker->reload(g.options));
  Client b(g.f);
  CHECK(g.connect(b, "b", "pump", "secret") == 4);
  Client c(g.f);
  CHECK(g.connect(c, "c", "lamp", "new") == 0);
  CHECK_FALSE(a.is_closed());
}

TEST_CASE("With a certificate and users both are asked for, and the certificate names the client") {
  Guarded g;
  const Issued server = g.pki.issue({});
  const Issued device = g.pki.issue({"device9"});
  g.options.tls = TlsOptions{server.certificate, server.key, g.pki.ca(), ""};
  g.listen();
  TlsClient a(g.f, {&device});
  REQUIRE(a.shake_hands());
  CHECK(g.connect(a, "a", "pump", "secret") == 0);
  CHECK(g.f.hooks.connected.back().identity == "device9");
  TlsClient b(g.f, {&device});
  REQUIRE(b.shake_hands());
  CHECK(g.connect(b, "b", "pump", "wrong") == 4);
}
