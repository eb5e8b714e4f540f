// What MQTT 5 adds, where time or the inside of the broker matters; tests/conformance has the rest.
#include "tests/unit/local-broker/broker/test_client.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

std::string long_number(std::uint32_t value) {
  return number(static_cast<int>(value >> 16U)) + number(static_cast<int>(value & 0xFFFFU));
}
std::string session_expiry(std::uint32_t seconds) { return "\x11" + long_number(seconds); }
// A reason string.
std::string why(const std::string& words) { return "\x1F" + text(words); }
std::string message_expiry(std::uint32_t seconds) { return "\x02" + long_number(seconds); }

// A client of version 5.
struct Client5 : Client {
  using Client::Client;

  ConnectOptions options;
  Packet connack;

  void open(const std::string& id, const std::string& properties = "", bool clean = true) {
    options.level = 5;
    options.clean = clean;
    options.properties = properties;
    CHECK(static_cast<std::uint8_t>(connect(id, options) & 0xFF) == 0);
  }
  void publish5(const std::string& topic, const std::string& payload, int qos = 0, int id = 0,
                const std::string& properties = "", bool retain = false) {
    send(packet(0x30 | qos << 1 | (retain ? 1 : 0),
                text(topic) + (qos > 0 ? number(id) : "") + list(properties) + payload));
  }
  void subscribe5(const std::string& filter, int options_byte, const std::string& properties = "") {
    send(packet(0x82, number(9) + list(properties) + text(filter) +
                          std::string(1, static_cast<char>(options_byte))));
    CHECK(next().type == 9);
  }
  // The reason of a DISCONNECT, which must come next, and the end.
  int reason_of_end() {
    const Packet p = next();
    REQUIRE(p.type == 14);
    CHECK(is_closed());
    return static_cast<std::uint8_t>(p.body.at(0));
  }
};

}  // namespace

TEST_CASE("A version 5 session lives as long as it asked to after its connection") {
  Fixture f;
  {
    Client5 a(f);
    a.open("a", session_expiry(10));
    a.drop();
  }
  f.advance_ms(9'000);
  {
    Client5 a(f);
    a.options.level = 5;
    a.options.clean = false;
    a.options.properties = session_expiry(10);
    CHECK(a.connect("a", a.options) == 0x100);
    a.drop();
  }
  f.advance_ms(11'000);
  CHECK(f.broker->stats().sessions == 0);
  Client5 a(f);
  a.open("a");  // asks for none
  a.drop();
  CHECK(f.broker->stats().sessions == 0);
}

TEST_CASE("DISCONNECT may shorten a session's life, but not give it one") {
  Fixture f;
  Client5 a(f);
  a.open("a", session_expiry(100));
  a.send(packet(0xE0, "\0"s + list(session_expiry(0))));
  CHECK(f.broker->stats().sessions == 0);
  Client5 b(f);
  b.open("b");
  b.send(packet(0xE0, "\0"s + list(session_expiry(5))));
  CHECK(b.reason_of_end() == 0x82);
}

TEST_CASE("A delayed will is published when its time has come") {
  Fixture f;
  Client5 watcher(f);
  watcher.open("watcher");
  watcher.subscribe5("will", 0);
  Client5 a(f);
  a.options.will_topic = "will";
  a.options.will_payload = "gone";
  a.options.will_properties = "\x18" + long_number(5);
  a.open("a", session_expiry(60));
  a.drop();
  f.advance_ms(4'500);
  CHECK(watcher.next().type == 0);
  f.advance_ms(1'000);
  CHECK(watcher.next().type == 3);
}

TEST_CASE("A delayed will is not published when the client comes back in time") {
  Fixture f;
  Client5 watcher(f);
  watcher.open("watcher");
  watcher.subscribe5("will", 0);
  Client5 a(f);
  a.options.will_topic = "will";
  a.options.will_properties = "\x18" + long_number(5);
  a.open("a", session_expiry(60));
  a.drop();
  f.advance_ms(3'000);
  Client5 again(f);
  again.open("a", session_expiry(60), false);
  f.advance_ms(10'000);
  CHECK(watcher.next().type == 0);
}

TEST_CASE("A delayed will does not outlive its session") {
  Fixture f;
  Client5 watcher(f);
  watcher.open("watcher");
  watcher.subscribe5("will", 0);
  Client5 a(f);
  a.options.will_topic = "will";
  a.options.will_properties = "\x18" + long_number(500);
  a.open("a", session_expiry(5));
  a.drop();
  f.advance_ms(6'000);
  CHECK(watcher.next().type == 3);
}

TEST_CASE("A message waits no longer than its expiry, and says what is left") {
  Fixture f;
  Client5 a(f);
  a.open("a", session_expiry(600));
  a.subscribe5("t", 1);
  a.drop();
  Client5 b(f);
  b.open("b");
  b.publish5("t", "short", 1, 1, message_expiry(10));
  b.publish5("t", "long", 1, 2, message_expiry(100));
  b.publish5("t", "kept", 1, 3, message_expiry(20), true);
  f.advance_ms(30'000);
  Client5 back(f);
  back.options.level = 5;
  back.options.clean = false;
  CHECK(back.connect("a", back.options) == 0x100);
  const Packet p = back.next();
  CHECK(p.body == text("t") + number(1) + list(message_expiry(70)) + "long");
  CHECK(back.next().type == 0);
  Client5 late(f);
  late.open("late");
  late.subscribe5("t", 1);
  CHECK(late.next().type == 0);  // the retained one has expired
  CHECK(f.broker->stats().retained == 0);
}

TEST_CASE("The window of a resumed session heeds the client's new receive maximum") {
  Fixture f;
  Client5 a(f);
  a.open("a", session_expiry(600));
  a.subscribe5("t", 1);
  Client5 b(f);
  b.open("b");
  for (int i = 1; i <= 5; ++i) b.publish5("t", std::to_string(i), 1, i);
  for (int i = 1; i <= 5; ++i) CHECK(a.next().type == 3);
  a.drop();
  Client5 back(f);
  back.options.level = 5;
  back.options.clean = false;
  back.options.properties = "\x21\0\2"s + session_expiry(600);
  CHECK(back.connect("a", back.options) == 0x100);
  std::string got;
  for (int round = 0; round < 3; ++round) {
    for (Packet p = back.next(); p.type == 3; p = back.next()) {
      CHECK((p.flags & 8) != 0);
      got += p.body.back();
    }
    CHECK(got.size() == static_cast<std::size_t>(std::min(5, 2 * (round + 1))));
    for (int i = 2 * round + 1; i <= 2 * round + 2 && i <= 5; ++i) back.ack(0x40, i);
  }
  CHECK(got == "12345");
}

TEST_CASE("One publish more than the receive maximum ends a version 5 connection") {
  BrokerOptions options = Fixture::quiet();
  options.receive_maximum = 2;
  Fixture f(options);
  f.hooks.intake = Intake::kPending;
  Client5 a(f);
  a.open("a");
  a.publish5("t", "1", 1, 1);
  a.publish5("t", "2", 2, 2);
  CHECK_FALSE(a.is_closed());
  a.publish5("t", "3", 1, 3);
  CHECK(a.reason_of_end() == 0x93);
}

TEST_CASE("A publish that is refused for good is answered at version 5") {
  Fixture f;
  Client5 a(f);
  a.open("a");
  f.hooks.intake = Intake::kRefuse;
  a.publish5("t", "x", 1, 1);
  CHECK(a.next().body == number(1) + "\x97" + list(why("there is no room for it")));
  f.hooks.intake = Intake::kDone;
  f.hooks.denied_topic = "secret";
  a.publish5("secret", "x", 2, 2);
  CHECK(a.next().body == number(2) + "\x87" + list(why("not allowed")));
  a.publish5("t", "x", 2, 2);  // the id is free again
  CHECK(a.next().body == number(2) + "\x10");
}

TEST_CASE("A client that wants no reasons gets them with CONNACK and DISCONNECT only") {
  Fixture f;
  Client5 a(f);
  a.open("a", "\x17\0"s);
  f.hooks.intake = Intake::kRefuse;
  a.publish5("t", "x", 1, 1);
  CHECK(a.next().body == number(1) + "\x97");
  a.send(packet(0x82, number(9) + list("") + text("a/#/b") + "\0"s));
  const Packet end = a.next();
  CHECK(end.type == 14);
  CHECK(end.body.substr(1) == list(why("filter")));
}

TEST_CASE("Reasons are left out where the client takes no such packet") {
  Fixture f;
  f.hooks.denied_access = Access::kSubscribe;
  f.hooks.denied_topic = "secret";
  Client5 a(f);
  a.open("a", "\x27" + long_number(60));
  a.send(packet(0x82, number(9) + list("") + text("secret") + "\0"s));
  CHECK(a.next().body == number(9) + list(why("not allowed")) + "\x87");
  Client5 b(f);
  b.open("b", "\x27" + long_number(30));  // its CONNACK is smaller
  b.send(packet(0x82, number(9) + list("") + text("secret") + "\0"s));
  CHECK(b.next().body == number(9) + list(why("not allowed")) + "\x87");
  f.broker->disconnect_all();
  CHECK(b.next().body == "\x8B");
  CHECK(a.next().body == "\x8B" + list(why("the broker is shutting down")));
}

TEST_CASE("Topic aliases work both ways") {
  Fixture f;
  Client5 a(f);
  a.open("a", "\x22\0\1"s);
  a.subscribe5("#", 0);
  Client5 b(f);
  b.open("b");
  b.publish5("first", "1", 0, 0, "\x23\0\1"s);
  b.publish5("", "2", 0, 0, "\x23\0\1"s);
  b.publish5("second", "3");
  CHECK(a.next().body == text("first") + list("\x23\0\1"s) + "1");
  CHECK(a.next().body == text("") + list("\x23\0\1"s) + "2");
  CHECK(a.next().body == text("second") + list("") + "3");
  b.publish5("", "4", 0, 0, "\x23\0\2"s);
  CHECK(b.reason_of_end() == 0x82);
}

TEST_CASE("Every subscription identifier that applies comes with the message") {
  Fixture f;
  Client5 a(f);
  a.open("a", session_expiry(60));
  a.subscribe5("t/#", 0, "\x0B\1");
  a.subscribe5("t/+", 1, "\x0B\2");
  a.subscribe5("t/a", 5, "\x0B\3");  // no-local
  Client5 b(f);
  b.open("b");
  b.publish5("t/a", "x", 1, 1);
  Packet p = a.next();
  CHECK(p.body.size() == text("t/a").size() + 2 + 1 + 6 + 1);
  a.publish5("t/a", "own", 0);
  p = a.next();
  CHECK(p.body.size() == text("t/a").size() + 1 + 4 + 3);
  a.drop();
  b.publish5("t/a", "waits", 1, 2);
  Client5 back(f);
  back.options.level = 5;
  back.options.clean = false;
  CHECK(back.connect("a", back.options) == 0x100);
  CHECK(back.next().flags == 0xA);  // the first one again
  p = back.next();
  CHECK(p.body.size() == text("t/a").size() + 2 + 1 + 6 + 5);
}

TEST_CASE("Members of a shared subscription take turns; one that is away does not count") {
  Fixture f;
  Client5 a(f);
  Client5 b(f);
  a.open("a");
  b.open("b");
  a.subscribe5("$share/g/t/#", 1);
  b.subscribe5("$share/g/t/#", 1);
  Client5 c(f);
  c.open("c");
  for (int i = 0; i < 6; ++i) c.publish5("t/" + std::to_string(i), "x");
  for (int i = 0; i < 3; ++i) {
    CHECK(a.next().type == 3);
    CHECK(b.next().type == 3);
  }
  a.drop();
  for (int i = 0; i < 3; ++i) c.publish5("t/1", "x");
  for (int i = 0; i < 3; ++i) CHECK(b.next().type == 3);
}

TEST_CASE("A packet that is too large for its receiver is left out") {
  Fixture f;
  Client5 a(f);
  a.open("a", "\x27\0\0\0\x20"s);
  a.subscribe5("t", 1);
  Client5 b(f);
  b.open("b");
  b.publish5("t", std::string(100, 'x'), 1, 1);
  b.publish5("t", "small", 1, 2);
  const Packet p = a.next();
  CHECK(p.body.ends_with("small"));
  CHECK(f.broker->stats().dropped == 1);
}

TEST_CASE("Version 5 clients are told when the broker shuts down and when they are taken over") {
  Fixture f;
  Client5 a(f);
  a.open("a");
  Client5 again(f);
  again.open("a");
  CHECK(a.reason_of_end() == 0x8E);
  f.broker->disconnect_all();
  CHECK(again.reason_of_end() == 0x8B);
}

TEST_CASE("Silence beyond the keep-alive that the server set ends the connection") {
  BrokerOptions options = Fixture::quiet();
  options.max_keep_alive_s = 10;
  Fixture f(options);
  Client5 a(f);
  a.open("a");
  f.advance_ms(14'000);
  CHECK_FALSE(a.is_closed());
  f.advance_ms(2'000);
  CHECK(a.reason_of_end() == 0x8D);
}
