#include "tests/unit/local-broker/broker/test_client.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

TEST_CASE("A client is accepted at 3.1.1 and at 3.1") {
  Fixture f;
  Client a(f);
  CHECK(a.connect("a") == 0);
  Client b(f);
  ConnectOptions old;
  old.level = 3;
  CHECK(b.connect("b", old) == 0);
  CHECK(f.hooks.events == std::vector<std::string>{"+a", "+b"});
  CHECK(f.broker->stats().connections == 2);
}

TEST_CASE("An unknown protocol level is refused with code 1") {
  Fixture f;
  Client seven(f);
  ConnectOptions options;
  options.level = 7;
  CHECK(seven.connect("a", options) == 1);
  CHECK(seven.is_closed());
}

TEST_CASE("The session of an identity is not taken over by another one") {
  Fixture f;
  const auto bound = f.broker->listen({"users", "127.0.0.1:0", false});
  REQUIRE(bound.has_value());
  const std::uint16_t open_port = std::exchange(f.port, *bound);
  ConnectOptions owner;
  owner.username = "owner";
  owner.clean = false;
  Client a(f);
  REQUIRE(a.connect("pump", owner) == 0);
  ConnectOptions other;
  other.username = "other";
  Client b(f);
  CHECK(b.connect("pump", other) == 2);
  f.port = open_port;  // anonymous there, whatever name it gives
  Client c(f);
  CHECK(c.connect("pump", owner) == 2);
  CHECK_FALSE(a.is_closed());
}

TEST_CASE("The session that an anonymous client began does not go on with an identity") {
  Fixture f;
  ConnectOptions lasting;
  lasting.clean = false;
  Client a(f);
  REQUIRE(a.connect("pump", lasting) == 0);
  a.subscribe("secret", 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  const auto bound = f.broker->listen({"users", "127.0.0.1:0", false});
  REQUIRE(bound.has_value());
  const bool is_away = GENERATE(true, false);
  if (is_away) a.drop();
  pub.publish("secret", "x", 1, 1);
  const std::uint16_t open_port = std::exchange(f.port, *bound);
  ConnectOptions owner = lasting;
  owner.username = "owner";
  Client b(f);
  CHECK(b.connect("pump", owner) == 0);  // not present
  CHECK(b.next().type == 0);
  CHECK(a.is_closed());
  b.drop();
  Client again(f);
  CHECK(again.connect("pump", owner) == 256);
  f.port = open_port;
  Client anonymous(f);
  CHECK(anonymous.connect("pump", lasting) == 2);
}

TEST_CASE("Refused CONNECTs are counted by reason") {
  Fixture f;
  const auto count = [&f](const char* reason) {
    return f.metrics.counter("tidegate_broker_connects_refused_total", "", {{"reason", reason}})
        .value();
  };
  const auto attempt = [&f](const std::string& id, const ConnectOptions& options) {
    Client client(f);
    return client.connect(id, options);
  };
  ConnectOptions keep;
  keep.clean = false;
  CHECK(attempt("", keep) == 2);
  ConnectOptions seven;
  seven.level = 7;
  CHECK(attempt("a", seven) == 1);
  ConnectOptions with_method;
  with_method.level = 5;
  with_method.properties = "\x15\0\x01m"s;
  CHECK(attempt("a", with_method) == 0x8C);
  f.hooks.answer = ConnectAnswer::kBadCredentials;
  CHECK(attempt("a", {}) == 4);
  f.hooks.answer = ConnectAnswer::kNotAuthorised;
  CHECK(attempt("a", {}) == 5);
  f.hooks.answer = ConnectAnswer::kUnavailable;
  CHECK(attempt("a", {}) == 3);
  for (const char* reason : {"identifier", "unsupported_version", "authentication_method",
                             "bad_credentials", "not_authorised", "unavailable"}) {
    CAPTURE(reason);
    CHECK(count(reason) == 1);
  }
  CHECK(count("no_memory") == 0);
}

TEST_CASE("An empty client id is given one, but only with a clean session") {
  Fixture f;
  Client a(f);
  Client b(f);
  CHECK(a.connect("") == 0);
  CHECK(b.connect("") == 0);
  CHECK(f.broker->stats().sessions == 2);
  Client c(f);
  ConnectOptions keep;
  keep.clean = false;
  CHECK(c.connect("", keep) == 2);
  CHECK(c.is_closed());
}

TEST_CASE("A user name without a password reaches the hook") {
  Fixture f;
  Client a(f);
  ConnectOptions options;
  options.username = "?SDK=JavaScript&Version=2.2.16";
  CHECK(a.connect("a", options) == 0);
  CHECK(f.hooks.username == options.username);
}

TEST_CASE("A refusal of the hook becomes its return code") {
  const std::pair<ConnectAnswer, int> cases[] = {{ConnectAnswer::kBadCredentials, 4},
                                                 {ConnectAnswer::kNotAuthorised, 5},
                                                 {ConnectAnswer::kUnavailable, 3}};
  for (const auto& [answer, code] : cases) {
    Fixture f;
    f.hooks.answer = answer;
    Client a(f);
    CHECK(a.connect("a") == code);
    CHECK(a.is_closed());
    CHECK(f.broker->stats().sessions == 0);
  }
}

TEST_CASE("An answer may come later; what follows CONNECT waits for it") {
  Fixture f;
  f.hooks.ask_later = true;
  Client a(f);
  CHECK(a.connect("a") == -1);
  a.publish("t", "early");
  f.advance_ms(60'000);
  CHECK(f.hooks.offered.empty());
  f.hooks.later(ConnectAnswer::kAccept);
  CHECK(a.next().type == 2);
  REQUIRE(f.hooks.offered.size() == 1);
  CHECK(f.hooks.offered[0].payload == "early");
}

TEST_CASE("An answer for a connection that has gone changes nothing") {
  Fixture f;
  f.hooks.ask_later = true;
  Client a(f);
  a.connect("a");
  a.drop();
  f.hooks.later(ConnectAnswer::kAccept);
  f.run();
  f.hooks.later(ConnectAnswer::kAccept);
  f.run();
  CHECK(f.broker->stats().connections == 0);
}

TEST_CASE("The first packet must be CONNECT, and it may not come twice") {
  Fixture f;
  Client a(f);
  a.publish("t", "x");
  CHECK(a.is_closed());
  Client b(f);
  REQUIRE(b.connect("b") == 0);
  CHECK(b.connect("b") == -1);
  CHECK(b.is_closed());
}

TEST_CASE("Nobody waits for the rest of what does not begin with CONNECT") {
  Fixture f;
  const auto counter =
      f.metrics.counter("tidegate_broker_malformed_total", "", {{"reason", "unexpected"}});
  Client a(f);
  a.send("GET / HTTP/1.1\r\n");  // to MQTT a PUBACK of 69 bytes
  CHECK(a.is_closed());
  CHECK(counter.value() == 1);
}

TEST_CASE("A connection that says nothing is closed after ten seconds") {
  Fixture f;
  Client a(f);
  f.advance_ms(9'000);
  CHECK_FALSE(a.is_closed());
  f.advance_ms(2'000);
  CHECK(a.is_closed());
}

TEST_CASE("A CONNECT that comes byte by byte has ten seconds in all") {
  Fixture f;
  Client a(f);
  const std::string connect = packet(0x10, text("MQTT") + "\x04\x02"s + number(0) + text("a"));
  for (int i = 0; i < 3; ++i) {
    a.send(connect.substr(static_cast<std::size_t>(i), 1));
    f.advance_ms(3'000);
  }
  CHECK_FALSE(a.is_closed());
  a.send(connect.substr(3, 1));
  f.advance_ms(2'000);
  CHECK(a.is_closed());
}

TEST_CASE("Connections beyond the limit are closed at once") {
  auto options = Fixture::quiet();
  options.max_connections = 1;
  Fixture f(options);
  Client a(f);
  CHECK(a.connect("a") == 0);
  Client b(f);
  CHECK(b.is_closed());
  a.disconnect();
  Client c(f);
  CHECK(c.connect("c") == 0);
}

TEST_CASE("Keep-alive runs out after one and a half of it; any packet renews it") {
  Fixture f;
  Client a(f);
  ConnectOptions options;
  options.keep_alive_s = 10;
  REQUIRE(a.connect("a", options) == 0);
  f.advance_ms(14'000);
  a.send("\xC0\0"s);
  CHECK(a.next().type == 13);
  f.advance_ms(14'000);
  CHECK_FALSE(a.is_closed());
  f.advance_ms(2'000);
  CHECK(a.is_closed());
}

TEST_CASE("Bytes of a packet do not renew the keep-alive, its end does") {
  Fixture f;
  Client a(f);
  ConnectOptions options;
  options.keep_alive_s = 10;
  REQUIRE(a.connect("a", options) == 0);
  const std::string publish = packet(0x30, text("t") + "payload");
  f.advance_ms(7'000);
  a.send(publish.substr(0, 4));
  f.advance_ms(7'000);
  SECTION("it ends in time") {
    a.send(publish.substr(4));
    f.advance_ms(14'000);
    CHECK_FALSE(a.is_closed());
  }
  SECTION("it does not") {
    a.send(publish.substr(4, 1));
    f.advance_ms(2'000);
    CHECK(a.is_closed());
  }
}

TEST_CASE("A large packet that flows renews the keep-alive, one that trickles does not") {
  Fixture f;
  Client a(f);
  ConnectOptions options;
  options.keep_alive_s = 10;
  REQUIRE(a.connect("a", options) == 0);
  const std::string publish = packet(0x30, text("t") + std::string(100'000, 'x'));
  std::size_t at = 0;
  for (; at < 50'000; at += 10'000) {
    a.send(publish.substr(at, 10'000));
    f.advance_ms(10'000);
  }
  CHECK_FALSE(a.is_closed());
  SECTION("it flows to its end") {
    a.send(publish.substr(at));
    CHECK(f.hooks.offered.size() == 1);
  }
  SECTION("it goes on byte by byte") {
    for (int i = 0; i < 3; ++i) {
      a.send("x");
      f.advance_ms(3'000);
    }
    CHECK(a.is_closed());
  }
}

TEST_CASE("Keep-alive zero is never") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  f.advance_ms(100'000'000);
  CHECK_FALSE(a.is_closed());
}

TEST_CASE("Malformed input costs only its own connection and is counted by reason") {
  Fixture f;
  Client well(f);
  REQUIRE(well.connect("well") == 0);
  const std::pair<std::string, const char*> cases[] = {
      {"\x00\x00"s, "unexpected"},
      {"\x30\x80\x80\x80\x80"s, "remaining_length"},
      {"\x30\xFF\xFF\xFF\x7F"s, "too_large"},
      {packet(0x36, text("t") + number(1)), "qos"},
      {packet(0x30, text("a/+")), "topic"},
      {packet(0x30, text("")), "topic"},
      {packet(0x30, text("\xFF")), "topic"},
      {packet(0x32, text("t") + number(0)), "packet_id"},
      {packet(0x80, number(1) + text("t") + "\0"s), "flags"},
      {packet(0x82, number(1)), "no_filters"},
      {packet(0x82, number(1) + text("a#") + "\0"s), "filter"},
      {packet(0xC0, "x"), "trailing_bytes"},
      {packet(0xF0, ""), "unexpected"},
      {packet(0x20, "\0\0"s), "unexpected"},
  };
  for (const auto& [bytes, reason] : cases) {
    CAPTURE(reason);
    const auto counter =
        f.metrics.counter("tidegate_broker_malformed_total", "", {{"reason", reason}});
    const auto before = counter.value();
    Client bad(f);
    REQUIRE(bad.connect("bad") == 0);
    bad.send(bytes);
    CHECK(bad.is_closed());
    CHECK(counter.value() == before + 1);
  }
  well.send("\xC0\0"s);
  CHECK(well.next().type == 13);
}

TEST_CASE("Packets may come byte by byte") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  for (const char byte : packet(0x30, text("topic") + "payload")) a.send(std::string(1, byte));
  REQUIRE(f.hooks.offered.size() == 1);
  CHECK(f.hooks.offered[0].payload == "payload");
}

TEST_CASE("A large packet may come in pieces, with others around it") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  const std::string large(200'000, 'x');
  const std::string bytes = packet(0x30, text("s") + "1") + packet(0x30, text("l") + large) +
                            packet(0x30, text("s") + "2");
  for (std::size_t at = 0; at < bytes.size(); at += 7'001) a.send(bytes.substr(at, 7'001));
  REQUIRE(f.hooks.offered.size() == 3);
  CHECK(f.hooks.offered[1].payload == large);
  CHECK(f.hooks.offered[2].payload == "2");
}
