#include "tests/unit/local-broker/broker/fake_session_store.h"

using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

TEST_CASE("What was in flight at QoS 1 is sent again with its id after a restart") {
  Persistent f;
  {
    Client sub(f);
    Client pub(f);
    REQUIRE(sub.connect("sub", lasting()) == 0);
    REQUIRE(pub.connect("pub") == 0);
    f.subscribe(sub, "t", 1);
    for (int i = 1; i <= 3; ++i) pub.publish("t", std::to_string(i), 1, i);
    for (int i = 1; i <= 3; ++i) CHECK(sub.receive().id == i);
    sub.ack(0x40, 2);
  }
  f.commit_and_crash();
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == kPresent);
  const Received one = sub.receive();
  CHECK(one.id == 1);
  CHECK(one.dup);
  const Received three = sub.receive();
  CHECK(three.id == 3);
  CHECK(three.payload == "3");
  CHECK(sub.next().type == 0);
  sub.ack(0x40, 3);
  sub.ack(0x40, 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("t", "4", 1, 1);
  CHECK(sub.receive().id == 4);
  sub.ack(0x40, 4);
  f.commit();
  CHECK(f.kept.is_empty());
}

TEST_CASE("A QoS 2 message goes to a lasting session when its packet id is durable") {
  Persistent f;
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub", lasting()) == 0);
  REQUIRE(pub.connect("pub") == 0);
  f.subscribe(sub, "t", 2);
  pub.publish("t", "1", 2, 1);
  pub.publish("t", "2", 1, 2);
  CHECK(sub.next().type == 0);
  pub.publish("t", "3", 1, 3);
  CHECK(sub.next().type == 0);
  f.commit();
  for (int i = 1; i <= 3; ++i) {
    const Received got = sub.receive();
    CHECK(got.payload == std::to_string(i));
    CHECK(got.id == i);
    CHECK_FALSE(got.dup);
  }
  pub.publish("t", "4", 1, 4);
  CHECK(sub.receive().payload == "4");
}

TEST_CASE("PUBREL waits until it is durable that the message was received") {
  Persistent f;
  {
    Client sub(f);
    Client pub(f);
    REQUIRE(sub.connect("sub", lasting()) == 0);
    REQUIRE(pub.connect("pub") == 0);
    f.subscribe(sub, "t", 2);
    pub.publish("t", "1", 2, 1);
    pub.publish("t", "2", 2, 2);
    f.commit();
    sub.receive();
    sub.receive();
    sub.ack(0x50, 1);
    CHECK(sub.next().type == 0);
    sub.ack(0x50, 1);
    CHECK(sub.next().type == 0);
    f.commit();
    CHECK(sub.next().type == kPubrel);
    CHECK(sub.next().type == 0);
    CHECK(f.kept.messages.size() == 1);
    sub.ack(0x50, 2);
  }
  f.crash();
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == kPresent);
  const Packet release = sub.next();
  CHECK(release.type == kPubrel);
  CHECK(release.id() == 1);
  const Received two = sub.receive();  // its PUBREC was lost in the crash
  CHECK(two.id == 2);
  CHECK(two.dup);
  sub.ack(0x70, 1);
  sub.ack(0x50, 2);
  f.commit();
  CHECK(sub.next().type == kPubrel);
  sub.ack(0x70, 2);
  f.commit();
  CHECK(f.kept.is_empty());
}

TEST_CASE("A connection that comes before the commit gets what waited for it once") {
  Persistent f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  {
    Client sub(f);
    REQUIRE(sub.connect("sub", lasting()) == 0);
    f.subscribe(sub, "t", 2);
    pub.publish("t", "1", 2, 1);
    f.commit();
    sub.receive();
    sub.ack(0x50, 1);
    pub.publish("t", "2", 2, 2);
  }
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == kPresent);
  CHECK(sub.next().type == 0);
  f.commit();
  CHECK(sub.next().type == kPubrel);
  CHECK(sub.receive().payload == "2");
  CHECK(sub.next().type == 0);
}

TEST_CASE("A QoS 2 publish is taken once, whatever is lost on the way") {
  Persistent f;
  auto pub = std::make_unique<Client>(f);
  REQUIRE(pub->connect("pub", lasting()) == 0);
  pub->publish("t", "1", 2, 1);
  CHECK(pub->next().type == 0);
  CHECK(f.hooks.offered.size() == 1);
  SECTION("a crash after the commit, before PUBREC came through") {
    f.commit_and_crash();
    pub = std::make_unique<Client>(f);
    REQUIRE(pub->connect("pub", lasting()) == kPresent);
    pub->publish("t", "1", 2, 1, false, true);
    CHECK(pub->next().type == kPubrec);
    CHECK(f.hooks.offered.size() == 1);
  }
  SECTION("a crash before the commit: nobody has it") {
    f.commit();  // the session itself
    pub->publish("t", "2", 2, 2);
    f.crash();
    pub = std::make_unique<Client>(f);
    REQUIRE(pub->connect("pub", lasting()) == kPresent);
    pub->publish("t", "2", 2, 2, false, true);
    CHECK(pub->next().type == 0);
    f.commit();
    CHECK(pub->next().type == kPubrec);
    CHECK(f.hooks.offered.size() == 3);
  }
  SECTION("take-over before the commit") {
    pub = std::make_unique<Client>(f);
    REQUIRE(pub->connect("pub", lasting()) == kPresent);
    pub->publish("t", "1", 2, 1, false, true);
    CHECK(pub->next().type == 0);
    f.commit();
    CHECK(pub->next().type == kPubrec);
    CHECK(pub->next().type == 0);
    CHECK(f.hooks.offered.size() == 1);
  }
}

TEST_CASE("PUBCOMP waits until the packet id is free for good") {
  Persistent f;
  auto pub = std::make_unique<Client>(f);
  REQUIRE(pub->connect("pub", lasting()) == 0);
  pub->publish("t", "1", 2, 1);
  f.commit();
  CHECK(pub->next().type == kPubrec);
  CHECK(f.kept.held.size() == 1);
  pub->ack(0x62, 1);
  CHECK(pub->next().type == 0);
  SECTION("committed") {
    f.commit();
    CHECK(pub->next().type == kPubcomp);
  }
  SECTION("a crash: it is released again") {
    f.crash();
    pub = std::make_unique<Client>(f);
    REQUIRE(pub->connect("pub", lasting()) == kPresent);
    pub->ack(0x62, 1);
    CHECK(pub->next().type == 0);
    f.commit();
    CHECK(pub->next().type == kPubcomp);
  }
  SECTION("a new connection asks again before the commit") {
    pub = std::make_unique<Client>(f);
    REQUIRE(pub->connect("pub", lasting()) == kPresent);
    pub->ack(0x62, 1);
    CHECK(pub->next().type == 0);
    f.commit();
    CHECK(pub->next().type == kPubcomp);
    CHECK(pub->next().type == 0);
  }
  CHECK(f.kept.held.empty());
  pub->publish("t", "2", 2, 1);
  CHECK(f.hooks.offered.size() == 2);
}
