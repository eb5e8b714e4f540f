#include "tests/unit/local-broker/broker/test_client.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

TEST_CASE("A message is delivered at the lower of its QoS and the subscription's") {
  Fixture f;
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  for (int granted = 0; granted <= 2; ++granted) {
    for (int qos = 0; qos <= 2; ++qos) {
      CAPTURE(granted, qos);
      REQUIRE(sub.subscribe("t", granted) == granted);
      pub.publish("t", "x", qos, 5);
      const Received got = sub.receive();
      CHECK(got.qos == std::min(granted, qos));
      CHECK_FALSE(got.retain);
      CHECK_FALSE(got.dup);
      if (got.qos == 1) sub.ack(0x40, got.id);
      if (got.qos == 2) {
        sub.ack(0x50, got.id);
        const Packet rel = sub.next();
        CHECK(rel.type == 6);
        CHECK(rel.flags == 2);
        CHECK(rel.id() == got.id);
        sub.ack(0x70, got.id);
      }
      if (qos == 1) {
        const Packet ack = pub.next();
        CHECK(ack.type == 4);
        CHECK(ack.id() == 5);
      }
      if (qos == 2) {
        CHECK(pub.next().type == 5);
        pub.ack(0x62, 5);
        CHECK(pub.next().type == 7);
      }
    }
  }
}

TEST_CASE("A QoS 2 publish that comes again before its release is delivered once") {
  Fixture f;
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  sub.subscribe("t");
  pub.publish("t", "x", 2, 5);
  pub.publish("t", "x", 2, 5, false, true);
  CHECK(pub.drain() == "#5 #5");
  CHECK(sub.drain() == "t=x");
  CHECK(f.hooks.offered.size() == 1);
  pub.ack(0x62, 5);
  pub.ack(0x62, 5);
  CHECK(pub.drain() == "#7 #7");
  pub.publish("t", "y", 2, 5);
  CHECK(sub.drain() == "t=y");
}

TEST_CASE("Overlapping filters of one client give one message, at the highest QoS") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("#", 0);
  a.subscribe("x/+", 1);
  a.subscribe("x/y", 0);
  a.publish("x/y", "m", 1, 1);
  CHECK(a.next().type == 4);
  CHECK(a.receive().qos == 1);
  CHECK(a.drain().empty());
}

TEST_CASE("Wildcards do not match $ topics, and clients do not write $SYS") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("#");
  a.subscribe("+/x");
  f.broker->publish("$SYS/x", "1", 0, false);
  CHECK(a.drain().empty());
  a.subscribe("$SYS/#");
  f.broker->publish("$SYS/x", "2", 0, false);
  CHECK(a.drain() == "$SYS/x=2");
  a.publish("$SYS/x", "forged", 1, 1);
  CHECK(a.drain() == "#4");
}

TEST_CASE("$SYS topics tell the state, now and to those who come later") {
  auto options = Fixture::quiet();
  options.sys_interval_s = 5;
  Fixture f(options);
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  f.advance_ms(5'000);
  a.subscribe("$SYS/broker/clients/connected");
  CHECK(a.drain() == "$SYS/broker/clients/connected=1");
  Client b(f);
  REQUIRE(b.connect("b") == 0);
  f.advance_ms(5'000);
  CHECK(a.drain() == "$SYS/broker/clients/connected=2");
}

TEST_CASE("Unsubscribing ends delivery") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("t");
  a.publish("t", "1");
  CHECK(a.drain() == "t=1");
  a.send(packet(0xA2, number(3) + text("t") + text("never")));
  CHECK(a.next().type == 11);
  a.publish("t", "2");
  CHECK(a.drain().empty());
}

TEST_CASE("A retained message greets new subscribers with its flag, live ones get it without") {
  Fixture f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.subscribe("t", 1);
  pub.publish("t", "old", 1, 1, true);
  CHECK(pub.next().type == 4);
  const Received live = pub.receive();
  CHECK_FALSE(live.retain);
  pub.ack(0x40, live.id);
  Client sub(f);
  REQUIRE(sub.connect("sub") == 0);
  CHECK(sub.subscribe("+", 2) == 2);
  const Received kept = sub.receive();
  CHECK(kept.retain);
  CHECK(kept.qos == 1);
  CHECK(kept.payload == "old");
  sub.ack(0x40, kept.id);
  // Subscribing again sends it again [MQTT-3.8.4-3].
  sub.subscribe("+");
  CHECK(sub.receive().retain);
}

TEST_CASE("An empty retained payload removes, and is delivered as it is") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.publish("t", "x", 0, 0, true);
  CHECK(f.broker->stats().retained == 1);
  a.subscribe("t");
  CHECK(a.drain() == "t=x");
  a.publish("t", "", 0, 0, true);
  CHECK(a.drain() == "t=");
  CHECK(f.broker->stats().retained == 0);
}

TEST_CASE("Many retained messages all arrive, and live ones do not overtake them") {
  Fixture f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  const std::string payload(5000, 'r');  // together more than the socket's buffers
  for (int i = 0; i < 3000; ++i) {
    f.broker->publish("r/" + std::to_string(i), payload, 0, true);
  }
  Client sub(f);
  REQUIRE(sub.connect("sub") == 0);
  sub.send(packet(0x82, number(1) + text("r/#") + "\0"s));
  pub.publish("r/0", "live");
  CHECK(sub.next().type == 9);
  int retained = 0;
  Received got = sub.receive();
  for (; got.payload != "live"; got = sub.receive()) ++retained;
  CHECK(retained == 3000);
  CHECK(sub.drain().empty());
}

TEST_CASE("Messages of one publisher keep their order at every QoS") {
  Fixture f;
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  sub.subscribe("t", 1);
  std::string expected;
  for (int i = 1; i <= 90; ++i) {
    pub.publish("t", std::to_string(i), 1, i);
    expected += (i > 1 ? " t=" : "t=") + std::to_string(i);
  }
  CHECK(sub.drain() == expected);
}

TEST_CASE("No more than max_inflight are in flight; the rest follows the acknowledgements") {
  auto options = Fixture::quiet();
  options.max_inflight = 2;
  Fixture f(options);
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  sub.subscribe("t", 1);
  for (int i = 1; i <= 4; ++i) pub.publish("t", std::to_string(i), 1, i);
  const Received one = sub.receive();
  const Received two = sub.receive();
  CHECK(sub.next().type == 0);
  sub.ack(0x40, one.id);
  CHECK(sub.receive().payload == "3");
  sub.ack(0x40, two.id);
  CHECK(sub.receive().payload == "4");
}

TEST_CASE("A full session queue drops its oldest and counts it") {
  auto options = Fixture::quiet();
  options.max_inflight = 1;
  options.max_queued = 2;
  Fixture f(options);
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  sub.subscribe("t", 1);
  for (int i = 1; i <= 5; ++i) pub.publish("t", std::to_string(i), 1, i);
  const Received one = sub.receive();
  CHECK(one.payload == "1");
  CHECK(f.broker->stats().dropped == 2);
  sub.ack(0x40, one.id);
  const Received four = sub.receive();
  CHECK(four.payload == "4");
  sub.ack(0x40, four.id);
  CHECK(sub.receive().payload == "5");
}

TEST_CASE("A message that is larger than a session's queue is dropped alone") {
  auto options = Fixture::quiet();
  options.max_queued_bytes = 10'000;
  Fixture f(options);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  ConnectOptions lasting;
  lasting.clean = false;
  {
    Client sub(f);
    REQUIRE(sub.connect("sub", lasting) == 0);
    sub.subscribe("t", 1);
  }
  f.run();
  pub.publish("t", "1", 1, 1);
  pub.publish("t", std::string(20'000, 'x'), 1, 2);
  pub.publish("t", "3", 1, 3);
  CHECK(f.broker->stats().dropped == 1);
  Client back(f);
  REQUIRE(back.connect("sub", lasting) == 0x100);
  CHECK(back.drain() == "t=1 t=3");
}

TEST_CASE("What a member that leaves for good has not acknowledged goes to the others, QoS 2 not") {
  Fixture f;
  Client a(f);
  Client pub(f);
  REQUIRE(a.connect("a") == 0);
  REQUIRE(pub.connect("pub") == 0);
  a.subscribe("$share/g/t", 2);
  a.subscribe("u", 1);  // its own
  for (int i = 1; i <= 4; ++i) pub.publish("t", std::to_string(i), i % 2 == 1 ? 1 : 2, i);
  pub.publish("u", "u", 1, 9);
  a.ack(0x40, a.receive().id);
  Client b(f);
  SECTION("to one that is there") {
    REQUIRE(b.connect("b") == 0);
    b.subscribe("own", 1);
    b.subscribe("$share/g/t", 2);
    pub.publish("own", "its own", 1, 10);
    const int before = b.receive().id;
    a.drop();
    const Received three = b.receive();
    CHECK(three.payload == "3");
    CHECK(three.qos == 1);
    CHECK_FALSE(three.dup);
    CHECK(three.id == before + 1);
    CHECK(b.next().type == 0);
  }
  SECTION("to nobody after the last one") {
    a.drop();
    REQUIRE(b.connect("b") == 0);
    b.subscribe("$share/g/t", 2);
    CHECK(b.next().type == 0);
  }
}

TEST_CASE("What waits for a member of a shared subscription that leaves goes to the others") {
  auto options = Fixture::quiet();
  options.max_inflight = 1;
  Fixture f(options);
  Client a(f);
  Client b(f);
  Client pub(f);
  REQUIRE(a.connect("a") == 0);
  REQUIRE(b.connect("b") == 0);
  REQUIRE(pub.connect("pub") == 0);
  a.subscribe("$share/g/t", 1);
  b.subscribe("$share/g/t", 1);
  a.subscribe("u", 1);  // its own
  b.subscribe("u", 1);
  for (int i = 1; i <= 6; ++i) pub.publish("t", std::to_string(i), 1, i);
  pub.publish("u", "u", 1, 9);
  CHECK(f.broker->client("a")->queued == 3);
  a.drop();  // one in flight, two that wait
  int got = 0;
  for (Packet p = b.next(); p.type == 3; p = b.next()) {
    ++got;
    b.ack(0x40, p.body[4]);  // behind a topic of one byte
  }
  CHECK(got == 3 + 3 + 1);
}

TEST_CASE(
    "A lasting member's messages go to the others when its session ends, QoS 2 once begun not") {
  auto options = Fixture::quiet();
  options.max_inflight = 2;
  options.session_expiry_ms = 60'000;
  Fixture f(options);
  Client a(f);
  Client b(f);
  Client pub(f);
  ConnectOptions lasting;
  lasting.clean = false;
  REQUIRE(a.connect("a", lasting) == 0);
  REQUIRE(b.connect("b") == 0);
  REQUIRE(pub.connect("pub") == 0);
  a.subscribe("$share/g/t", 2);
  for (int i = 1; i <= 4; ++i) pub.publish("t", std::to_string(i), i % 2 == 1 ? 1 : 2, i);
  b.subscribe("$share/g/t", 1);
  SECTION("it expires") {
    a.drop();
    CHECK(b.drain().empty());  // it may come back
    f.advance_ms(61'000);
  }
  SECTION("it begins anew") {
    Client again(f);
    REQUIRE(again.connect("a") == 0);
  }
  const Received one = b.receive();
  const Received three = b.receive();
  CHECK(one.payload + three.payload == "13");
  b.ack(0x40, one.id);
  CHECK(b.receive().payload == "4");
  b.ack(0x40, three.id);
  CHECK(b.next().type == 0);
}

TEST_CASE("A client that does not read loses QoS 0, within its memory; others lose nothing") {
  auto options = Fixture::quiet();
  options.max_queued_bytes = 100'000;
  Fixture f(options);
  Client slow(f);
  Client quick(f);
  Client pub(f);
  REQUIRE(slow.connect("slow") == 0);
  REQUIRE(quick.connect("quick") == 0);
  REQUIRE(pub.connect("pub") == 0);
  slow.subscribe("t");
  quick.subscribe("t");
  const std::string payload(10'000, 'x');
  int received = 0;
  for (int i = 0; i < 2000; ++i) {
    pub.publish("t", payload);
    while (quick.next().type == 3) ++received;
  }
  CHECK(received == 2000);
  CHECK(f.broker->stats().dropped > 0);
  CHECK(f.broker->stats().memory < 1'000'000);
  int late = 0;
  while (slow.next().type == 3) ++late;
  CHECK(static_cast<std::uint64_t>(late) + f.broker->stats().dropped == 2000);
}

TEST_CASE("Denied subscriptions fail alone, denied publishes go nowhere") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  f.hooks.denied_access = Access::kSubscribe;
  f.hooks.denied_topic = "secret";
  CHECK(a.subscribe("secret") == 0x80);
  CHECK(a.subscribe("open", 1) == 1);
  f.hooks.denied_access = Access::kPublish;
  f.hooks.denied_topic = "open";
  a.publish("open", "x", 1, 1);
  CHECK(a.drain() == "#4");
  CHECK(f.hooks.offered.empty());
  f.hooks.denied_access = Access::kReceive;
  f.hooks.denied_topic = "closed";
  a.subscribe("#");
  a.publish("closed", "x");
  a.publish("other", "y");
  CHECK(a.drain() == "other=y");
  f.hooks.denied_topic = "other";
  f.broker->access_changed();
  a.publish("closed", "x");
  a.publish("other", "y");
  CHECK(a.drain() == "closed=x");
}

TEST_CASE("Limits of subscriptions and of levels are answered with 0x80") {
  auto options = Fixture::quiet();
  options.max_subscriptions = 1;
  options.max_topic_levels = 3;
  Fixture f(options);
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  CHECK(a.subscribe("a/b/c/d") == 0x80);
  CHECK(a.subscribe("a/b/c") == 0);
  CHECK(a.subscribe("b") == 0x80);
  CHECK(a.subscribe("$share/g/t") == 0x80);
  const auto refused = f.metrics.counter("tidegate_broker_subscriptions_refused_total", "");
  f.advance_ms(2'000);
  CHECK(refused.value() == 2);
  a.publish("a/b/c/d", "deep", 1, 1);
  CHECK(a.drain() == "#4");
  CHECK(f.hooks.offered.empty());
}

TEST_CASE("The gateway's own messages reach subscribers and not the hooks") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("out", 1);
  f.broker->publish("out", "x", 1, true);
  const Received got = a.receive();
  CHECK(got.payload == "x");
  CHECK(got.qos == 1);
  CHECK(f.broker->stats().retained == 1);
  CHECK(f.hooks.offered.empty());
  f.broker->publish("a/#", "x", 0, false);
  CHECK(f.broker->stats().dropped == 1);
}
