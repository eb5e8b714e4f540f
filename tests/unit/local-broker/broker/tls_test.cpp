#include "tests/unit/local-broker/broker/tls_client.h"

#include <fstream>

#include "local-broker/broker/transport/certificate.h"
#include "local-broker/broker/transport/tls_context.h"

using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;
using Catch::Matchers::Contains;

namespace {

// A broker with one TLS listener.
struct Secure {
  explicit Secure(bool mutual = true, BrokerOptions options = Fixture::quiet(), bool rsa = false)
      : f(std::move(options)), server(pki.issue({"gateway.example", "DNS:gateway.example", rsa})) {
    listener.name = "devices";
    listener.address = "127.0.0.1:0";
    listener.anonymous = !mutual;
    listener.tls = TlsOptions{server.certificate, server.key, mutual ? pki.ca() : "", ""};
  }
  void listen() {
    const auto bound = f.broker->listen(listener);
    if (!bound) FAIL(bound.error().message);
    f.port = *bound;
  }
  void listen(const std::string& crl) {
    listener.tls->crl = crl;
    listen();
  }
  double failures(const std::string& reason) const {
    const std::string text = f.metrics.text();
    const std::string name = "opening_failed_total{reason=\"" + reason + "\"} ";
    const auto at = text.find(name);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size()));
  }

  void add_name(const std::string& name, const Issued& issued) {
    listener.tls->names.push_back({name, issued.certificate, issued.key});
  }
  // The common name of what a client is shown that asks for a server name.
  std::string shown(const char* server_name, int version = 0) {
    TlsClient client(f, {nullptr, version, nullptr, server_name});
    return client.shake_hands() ? shown(client) : "none";
  }
  static std::string shown(const TlsClient& client) {
    return read_certificate(*SSL_get0_peer_certificate(client.ssl()))->common_name;
  }

  Pki pki;
  Fixture f;
  Issued server;
  ListenerOptions listener;
};

}  // namespace

TEST_CASE("A client connects over TLS 1.3 and 1.2, to a server with an ECDSA or an RSA key") {
  for (const bool rsa : {false, true}) {
    for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
      Secure s(false, Fixture::quiet(), rsa);
      s.listen();
      TlsClient a(s.f, {nullptr, version});
      REQUIRE(a.shake_hands());
      CHECK(SSL_version(a.ssl()) == version);
      CHECK(a.connect("a") == 0);
      CHECK(a.subscribe("t") == 0);
      const std::string large(100'000, 'x');
      a.publish("t", large);
      CHECK(a.receive().payload == large);
    }
  }
}

TEST_CASE("TLS 1.1 is refused and counted") {
  Secure s(false);
  s.listen();
  TlsClient a(s.f, {nullptr, TLS1_1_VERSION});
  CHECK_FALSE(a.shake_hands());
  CHECK(s.failures("tls_version") == 1);
  CHECK(s.f.broker->stats().connections == 0);
}

TEST_CASE("What is not TLS is closed and counted") {
  Secure s;
  s.listen();
  Client a(s.f);
  CHECK(a.connect("a") == -1);
  CHECK(a.is_closed());
  CHECK(s.failures("not_tls") == 1);
}

TEST_CASE("A session is resumed by its ticket") {
  Secure s(false);
  s.listen();
  TlsClient first(s.f);
  REQUIRE(first.shake_hands());
  REQUIRE(first.connect("a") == 0);
  SSL_SESSION* session = SSL_get1_session(first.ssl());
  REQUIRE(SSL_SESSION_is_resumable(session) == 1);
  TlsClient second(s.f, {nullptr, 0, session});
  REQUIRE(second.shake_hands());
  CHECK(SSL_session_reused(second.ssl()) == 1);
  CHECK(second.connect("b") == 0);
  SSL_SESSION_free(session);
}

TEST_CASE("Who asks for a server name gets its certificate, all others that of the listener") {
  Secure s(false);
  s.add_name("gw.b.example", s.pki.issue({"b", "", true}));  // RSA beside ECDSA
  s.add_name("*.b.example", s.pki.issue({"any of b"}));
  s.listen();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    CHECK(s.shown(nullptr, version) == "gateway.example");
    CHECK(s.shown("b.example", version) == "gateway.example");
    CHECK(s.shown("x.gw.b.example", version) == "gateway.example");
    CHECK(s.shown("gw.b.example", version) == "b");
    CHECK(s.shown("GW.b.Example", version) == "b");
    CHECK(s.shown("x.b.example", version) == "any of b");
  }
}

TEST_CASE("A session is resumed by the name it began with, and by no other") {
  Secure s(false);
  s.add_name("b.example", s.pki.issue({"b"}));
  s.add_name("c.example", s.pki.issue({"c"}));
  s.listen();
  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    for (const char* first : {"a.example", "b.example"}) {
      TlsClient began(s.f, {nullptr, version, nullptr, first});
      REQUIRE(began.shake_hands());
      REQUIRE(began.connect("began") == 0);
      SSL_SESSION* session = SSL_get1_session(began.ssl());
      REQUIRE(SSL_SESSION_is_resumable(session) == 1);
      for (const char* name : {"a.example", "b.example", "c.example"}) {
        INFO(version << ": " << first << ", then " << name);
        SSL_SESSION* copy = SSL_SESSION_dup(session);  // one that was resumed is used up
        TlsClient next(s.f, {nullptr, version, copy, name});
        REQUIRE(next.shake_hands());
        CHECK(SSL_session_reused(next.ssl()) == (std::string_view(name) == first ? 1 : 0));
        CHECK(next.connect("next") == 0);
        SSL_SESSION_free(copy);
      }
      SSL_SESSION_free(session);
    }
  }
}

TEST_CASE("client_ca and crl hold for every server name") {
  Secure s;
  const Issued good = s.pki.issue({"good"});
  const Issued bad = s.pki.issue({"bad"});
  Pki other("other-ca");
  s.add_name("b.example", other.issue({"b"}));
  s.listen(s.pki.revoke({bad}));
  TlsClient a(s.f, {&good, 0, nullptr, "b.example"});
  REQUIRE(a.shake_hands());
  CHECK(Secure::shown(a) == "b");
  CHECK(a.connect("a") == 0);
  CHECK(s.f.hooks.connected.back().identity == "good");
  const Issued foreign = other.issue({"foreign"});
  const std::pair<const Issued*, const char*> cases[] = {
      {nullptr, "no_certificate"}, {&foreign, "unknown_ca"}, {&bad, "certificate_revoked"}};
  for (const auto& [certificate, reason] : cases) {
    INFO(reason);
    TlsClient b(s.f, {certificate, 0, nullptr, "b.example"});
    b.shake_hands();
    CHECK(b.connect("b") == -1);
    CHECK(s.failures(reason) == 1);
  }
}

TEST_CASE("A reload takes new names; a connection that has begun keeps those it began with") {
  Secure s(false);
  s.add_name("b.example", s.pki.issue({"b"}));
  s.listen();
  TlsClient before(s.f, {nullptr, 0, nullptr, "b.example"});
  REQUIRE(before.shake_hands());
  REQUIRE(before.connect("before") == 0);
  TlsClient begun(s.f, {nullptr, 0, nullptr, "b.example"});
  s.f.run();

  s.listener.tls->names.clear();
  s.add_name("b.example", s.pki.issue({"renewed"}));
  s.add_name("c.example", s.pki.issue({"c"}));
  REQUIRE(s.f.broker->reload(s.listener));
  CHECK(s.shown("b.example") == "renewed");
  CHECK(s.shown("c.example") == "c");
  REQUIRE(begun.shake_hands());
  CHECK(Secure::shown(begun) == "b");
  before.publish("t", "still here");
  CHECK(s.f.hooks.offered.size() == 1);

  s.listener.tls->names[0].private_key = s.server.key;
  const auto done = s.f.broker->reload(s.listener);
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().message, Contains("tls.names[0].private_key"));
  CHECK(s.shown("b.example") == "renewed");

  s.listener.tls->names.clear();
  REQUIRE(s.f.broker->reload(s.listener));
  CHECK(s.shown("b.example") == "gateway.example");
}

TEST_CASE("With client_ca a certificate is required; it names the client") {
  Secure s;
  s.listen();
  TlsClient none(s.f);
  none.shake_hands();  // with TLS 1.3 the client learns of the refusal after its handshake
  CHECK(none.connect("a") == -1);
  CHECK(s.failures("no_certificate") == 1);

  const Issued pump = s.pki.issue({"pump7", "DNS:pump7.hall3,URI:urn:dev:pump7"});
  TlsClient a(s.f, {&pump});
  REQUIRE(a.shake_hands());
  CHECK(a.connect("pump7") == 0);
  const ClientInfo& client = s.f.hooks.connected.back();
  CHECK(client.identity == "pump7");
  REQUIRE(client.certificate);
  CHECK(client.certificate->common_name == "pump7");
  CHECK(client.certificate->dns_names == std::vector<std::string>{"pump7.hall3"});
  CHECK(client.certificate->uris == std::vector<std::string>{"urn:dev:pump7"});
  CHECK(client.certificate->fingerprint.size() == 64);
  CHECK(client.certificate->issuer == "CN=test-ca");
  CHECK(std::stol(client.certificate->serial, nullptr, 16) == pump.serial);
}

TEST_CASE("A certificate without a common name is known by its alternative name") {
  Secure s;
  s.listen();
  const Issued device = s.pki.issue({"", "URI:urn:dev:9"});
  TlsClient a(s.f, {&device});
  REQUIRE(a.shake_hands());
  CHECK(a.connect("a") == 0);
  CHECK(s.f.hooks.connected.back().identity == "urn:dev:9");
  const Issued nobody = s.pki.issue({""});
  TlsClient b(s.f, {&nobody});
  REQUIRE(b.shake_hands());
  CHECK(b.connect("b") == 5);
}

TEST_CASE("Certificates of another authority, expired and revoked ones are refused by reason") {
  Secure s;
  const Issued revoked = s.pki.issue({"revoked"});
  s.listen(s.pki.revoke({revoked}));
  Pki other("other-ca");
  const Issued foreign = other.issue({"foreign"});
  IssueOptions old;
  old.expired = true;
  const Issued expired = s.pki.issue(old);
  const std::pair<const Issued*, const char*> cases[] = {{&foreign, "unknown_ca"},
                                                         {&expired, "certificate_expired"},
                                                         {&revoked, "certificate_revoked"}};
  for (const auto& [certificate, reason] : cases) {
    INFO(reason);
    TlsClient a(s.f, {certificate});
    a.shake_hands();
    CHECK(a.connect("a") == -1);
    CHECK(s.failures(reason) == 1);
  }
  const Issued sound = s.pki.issue({"sound"});
  TlsClient a(s.f, {&sound});
  REQUIRE(a.shake_hands());
  CHECK(a.connect("a") == 0);
}

TEST_CASE("An overdue revocation list is still in force") {
  Secure s;
  const Issued revoked = s.pki.issue({"revoked"});
  s.listen(s.pki.revoke({revoked}, true));
  const Issued sound = s.pki.issue({"sound"});
  TlsClient a(s.f, {&sound});
  REQUIRE(a.shake_hands());
  CHECK(a.connect("a") == 0);
  TlsClient b(s.f, {&revoked});
  b.shake_hands();
  CHECK(b.connect("b") == -1);
}

TEST_CASE("A new revocation list ends whom it names, and nobody else") {
  Secure s;
  const Issued good = s.pki.issue({"good"});
  const Issued bad = s.pki.issue({"bad"});
  s.listen(s.pki.revoke({}));
  TlsClient a(s.f, {&good});
  REQUIRE(a.shake_hands());
  REQUIRE(a.connect("good") == 0);
  TlsClient b(s.f, {&bad});
  REQUIRE(b.shake_hands());
  REQUIRE(b.connect("bad") == 0);
  s.pki.revoke({bad});
  REQUIRE(s.f.broker->reload(s.listener));
  s.f.run();
  CHECK(b.is_closed());
  CHECK_FALSE(a.is_closed());
  a.publish("t", "still here");
  CHECK(s.f.hooks.offered.size() == 1);
  TlsClient again(s.f, {&bad});
  again.shake_hands();
  CHECK(again.connect("bad") == -1);
}

TEST_CASE("A reload with wrong files changes nothing") {
  Secure s;
  s.listen();
  ListenerOptions wrong = s.listener;
  wrong.tls->private_key = s.pki.issue({}).key;
  const auto done = s.f.broker->reload(wrong);
  REQUIRE_FALSE(done);
  CHECK_THAT(done.error().message, Contains("listener devices: tls.private_key"));
  wrong = s.listener;
  wrong.address = "127.0.0.1:1";  // nobody listens there
  CHECK_FALSE(s.f.broker->reload(wrong));
  const Issued device = s.pki.issue({});
  TlsClient a(s.f, {&device});
  REQUIRE(a.shake_hands());
  CHECK(a.connect("a") == 0);
}

TEST_CASE("A listener takes over other settings; who is connected stays") {
  Secure s;
  const Issued device = s.pki.issue({});
  const TlsOptions mutual = *std::exchange(s.listener.tls, std::nullopt);
  s.listener.anonymous = true;
  s.listen();
  Client before(s.f);
  REQUIRE(before.connect("before") == 0);

  s.listener.tls = mutual;
  s.listener.anonymous = false;
  REQUIRE(s.f.broker->reload(s.listener));
  Client plain(s.f);
  CHECK(plain.connect("plain") == -1);
  TlsClient encrypted(s.f, {&device});
  REQUIRE(encrypted.shake_hands());
  CHECK(encrypted.connect("encrypted") == 0);

  s.listener.max_connections = 3;  // of which two have come
  REQUIRE(s.f.broker->reload(s.listener));
  TlsClient first(s.f, {&device});
  REQUIRE(first.shake_hands());
  CHECK(first.connect("first") == 0);
  TlsClient second(s.f, {&device});
  CHECK_FALSE(second.shake_hands());

  s.listener.tls->crl = s.pki.revoke({device});
  REQUIRE(s.f.broker->reload(s.listener));
  s.f.run();
  CHECK(encrypted.is_closed());  // though it came before the last two changes
  CHECK(first.is_closed());
  before.publish("t", "still here");
  CHECK(s.f.hooks.offered.size() == 1);
}

TEST_CASE("The session of a certificate is not taken over by another one") {
  Secure s;
  s.listen();
  const Issued owner = s.pki.issue({"owner"});
  const Issued thief = s.pki.issue({"thief"});
  TlsClient a(s.f, {&owner});
  REQUIRE(a.shake_hands());
  REQUIRE(a.connect("pump") == 0);
  TlsClient b(s.f, {&thief});
  REQUIRE(b.shake_hands());
  ConnectOptions says_owner;
  says_owner.username = "owner";
  CHECK(b.connect("pump", says_owner) == 2);
  CHECK_FALSE(a.is_closed());
}

TEST_CASE("Who was asked for first owns the session, even if another asked meanwhile") {
  Secure s;
  s.listen();
  s.f.hooks.ask_later = true;
  const Issued owner = s.pki.issue({"owner"});
  const Issued thief = s.pki.issue({"thief"});
  TlsClient a(s.f, {&owner});
  TlsClient b(s.f, {&thief});
  REQUIRE(a.shake_hands());
  REQUIRE(b.shake_hands());
  CHECK(a.connect("pump") == -1);
  const auto answer_a = std::exchange(s.f.hooks.later, nullptr);
  CHECK(b.connect("pump") == -1);
  const auto answer_b = std::exchange(s.f.hooks.later, nullptr);
  answer_a(ConnectAnswer::kAccept);
  answer_b(ConnectAnswer::kAccept);
  CHECK(a.next().id() == 0);
  CHECK(b.next().id() == 2);
  CHECK(b.is_closed());
  CHECK_FALSE(a.is_closed());
}

TEST_CASE("A handshake that does not come to its end is closed after ten seconds") {
  Secure s;
  s.listen();
  Client a(s.f);
  s.f.advance_ms(9'000);
  CHECK_FALSE(a.is_closed());
  s.f.advance_ms(2'000);
  CHECK(a.is_closed());
  CHECK(s.failures("timeout") == 1);
}

TEST_CASE("Beyond the limit of handshakes callers wait; one that stalls gives way") {
  auto options = Fixture::quiet();
  options.max_opening = 2;
  Secure s(false, options);
  s.listen();
  Client silent(s.f);
  Client mute(s.f);
  TlsClient a(s.f);
  CHECK_FALSE(a.shake_hands());
  CHECK(s.f.broker->stats().connections == 2);
  s.f.advance_ms(3'100);
  CHECK(silent.is_closed());
  CHECK_FALSE(mute.is_closed());
  REQUIRE(a.shake_hands());
  CHECK(a.connect("a") == 0);
}

TEST_CASE("A listener's own limit of connections") {
  Secure s(false);
  s.listener.max_connections = 1;
  s.listen();
  TlsClient a(s.f);
  REQUIRE(a.shake_hands());
  TlsClient b(s.f);
  CHECK_FALSE(b.shake_hands());
  a.drop();
  TlsClient c(s.f);
  CHECK(c.shake_hands());
}

TEST_CASE("A certificate that does not cover its server name is a warning") {
  Pki pki;
  const Issued one = pki.issue({"one", "DNS:One.example"});
  const Issued any = pki.issue({"any", "DNS:*.any.example"});
  const auto problems_of = [&](const std::string& name, const Issued& issued) {
    TlsOptions options{one.certificate, one.key, "", ""};
    options.names = {{name, issued.certificate, issued.key}};
    return TlsContext::check(options);
  };
  CHECK(problems_of("one.example", one).empty());
  CHECK(problems_of("b.any.example", any).empty());
  CHECK(problems_of("*.any.example", any).empty());
  for (const auto* wrong : {"two.example", "*.example", "*.one.example"}) {
    const auto problems = problems_of(wrong, one);
    REQUIRE(problems.size() == 1);
    CHECK(problems[0].is_warning);
    CHECK(problems[0].key == "names[0].certificate");
    CHECK_THAT(problems[0].message, Contains(std::string("does not cover ") + wrong));
  }
}

TEST_CASE("The check of the files names the key at fault") {
  Pki pki;
  const Issued server = pki.issue({});
  const Issued device = pki.issue({});
  const auto first_problem = [](const TlsOptions& options) {
    const auto problems = TlsContext::check(options);
    return problems.empty() ? std::string("none")
                            : std::string(problems[0].key) + ": " + problems[0].message;
  };
  const TlsOptions sound{server.certificate, server.key, pki.ca(), pki.revoke({})};
  CHECK(first_problem(sound) == "none");
  TlsOptions named = sound;
  const Issued a = pki.issue({"a", "DNS:a.example"});
  named.names = {{"a.example", a.certificate, a.key}, {"b.example", "", server.key}};
  CHECK_THAT(first_problem(named), Contains("names[1].certificate: is missing"));
  named.names[1] = {"b.example", server.certificate, device.key};
  CHECK_THAT(first_problem(named),
             Contains("names[1].private_key: ") && Contains("is not the key of"));
  TlsOptions wrong = sound;
  wrong.certificate = pki.path("absent.crt");
  CHECK_THAT(first_problem(wrong), Contains("certificate: ") && Contains("No such file"));
  wrong = sound;
  wrong.certificate = pki.write("text.crt", "no certificate");
  CHECK_THAT(first_problem(wrong), Contains("certificate: ") && Contains("text.crt"));
  wrong = sound;
  wrong.private_key = device.key;
  CHECK_THAT(first_problem(wrong), Contains("private_key: ") && Contains("is not the key of"));
  wrong = sound;
  wrong.client_ca = pki.write("empty.crt", "");
  CHECK_THAT(first_problem(wrong), Contains("client_ca: "));
  wrong = sound;
  Pki other("other-ca");
  wrong.crl = other.revoke({});
  CHECK_THAT(first_problem(wrong), Contains("crl: ") && Contains("no authority in client_ca"));
  wrong = sound;
  wrong.client_ca = "";
  CHECK_THAT(first_problem(wrong), Contains("crl: needs client_ca"));
  IssueOptions old;
  old.expired = true;
  const Issued expired = pki.issue(old);
  const auto problems = TlsContext::check({expired.certificate, expired.key});
  REQUIRE(problems.size() == 1);
  CHECK(problems[0].is_warning);
  CHECK_THAT(problems[0].message, Contains("has expired"));
  // A chain whose second certificate has not issued the first.
  const auto text = [](const std::string& file) {
    std::ifstream input(file);
    return std::string{std::istreambuf_iterator<char>(input), {}};
  };
  const auto order = [&](const std::string& after) {
    return TlsContext::check(
        {pki.write("chain.crt", text(server.certificate) + text(after)), server.key});
  };
  CHECK(order(pki.ca()).empty());
  const auto wrong_order = order(device.certificate);
  REQUIRE(wrong_order.size() == 1);
  CHECK(wrong_order[0].is_warning);
  CHECK_THAT(wrong_order[0].message, Contains("certificate 2 of the file has not issued"));
}
