#include "tests/unit/local-broker/broker/fake_session_store.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

TEST_CASE("Transient sessions and QoS 0 never reach the session store") {
  Persistent f;
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  sub.subscribe("t", 2);
  pub.publish("t", "1", 1, 1);
  pub.publish("t", "2", 2, 2);
  CHECK(pub.next().type == kPuback);
  CHECK(pub.next().type == kPubrec);
  pub.ack(0x62, 2);
  CHECK(pub.next().type == kPubcomp);
  CHECK(f.kept.changes == 0);

  Client lasts(f);
  REQUIRE(lasts.connect("lasts", lasting()) == 0);
  f.subscribe(lasts, "t", 2);
  const int before = f.kept.changes;
  pub.publish("t", "0");
  CHECK(lasts.receive().payload == "0");
  CHECK(f.kept.changes == before);
  CHECK(f.kept.tokens.empty());
}

TEST_CASE("Sessions and subscriptions outlive the broker") {
  Persistent f;
  {
    Client a(f);
    REQUIRE(a.connect("a", lasting()) == 0);
    f.subscribe(a, "t/+", 1);
    f.subscribe(a, "$share/g/s", 1);
    f.subscribe(a, "gone", 1);
    a.send(packet(0xA2, number(7) + text("gone")));
    CHECK(a.next().type == 0);
    f.commit();
    CHECK(a.next().type == 11);
  }
  f.commit_and_crash();
  CHECK(f.broker->stats().sessions == 1);
  CHECK(f.broker->stats().subscriptions == 2);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  Client a(f);
  CHECK(a.connect("a", lasting()) == kPresent);
  pub.publish("t/1", "x");
  pub.publish("s", "y");
  pub.publish("gone", "z");
  CHECK(a.drain() == "t/1=x s=y");
}

TEST_CASE("A subscription is answered when it is durable, and nothing is read meanwhile") {
  Persistent f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("r", "kept", 0, 0, true);
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == 0);
  sub.send(packet(0x82, number(99) + text("r") + "\x01"s) + packet(0xC0, ""));
  CHECK(sub.next().type == 0);
  pub.publish("r", "live");
  CHECK(sub.receive().payload == "live");
  f.commit();
  CHECK(sub.next().type == 9);
  CHECK(sub.receive().payload == "kept");
  CHECK(sub.next().type == 13);
  SECTION("the connection ends before the commit") {
    sub.send(packet(0x82, number(99) + text("s") + "\x01"s));
    sub.drop();
    f.commit();
    CHECK(f.kept.filters.size() == 2);
  }
}

TEST_CASE("Options and identifiers of subscriptions of version 5 outlive the broker") {
  Persistent f;
  ConnectOptions v5;
  v5.level = 5;
  v5.clean = false;
  v5.properties = "\x11"s + "\x00\x00\x0E\x10"s;
  {
    Client a(f);
    REQUIRE(a.connect("a", v5) == 0);
    // Subscription identifier 7; QoS 1, no local, retain as published.
    a.send(packet(0x82, number(1) + list("\x0B\x07"s) + text("t") + "\x0D"s));
    f.commit();
    CHECK(a.next().type == 9);
  }
  f.commit_and_crash();
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("t", "x", 0, 0, true);
  Client a(f);
  CHECK(a.connect("a", v5) == kPresent);
  a.publish("t", list("") + "own");
  CHECK(a.next().type == 0);
  pub.publish("t", "y", 0, 0, true);
  const Packet got = a.next();
  REQUIRE(got.type == 3);
  CHECK((got.flags & 1) == 1);
  CHECK(got.body == text("t") + list("\x0B\x07"s) + "y");
}

TEST_CASE("A clean start, the end of a session and its expiry leave nothing behind") {
  auto options = Fixture::quiet();
  options.session_expiry_ms = 60'000;
  Persistent f(options);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  f.subscribe_away("a", "t", 1);
  f.subscribe_away("b", "t", 2);
  pub.publish("t", "1", 2, 1);
  f.commit();
  CHECK(f.kept.messages.size() == 1);
  CHECK(f.kept.copies.size() == 2);
  SECTION("clean start") {
    for (const char* id : {"a", "b"}) {
      Client again(f);
      CHECK(again.connect(id) == 0);
    }
  }
  SECTION("a session that ends with its connection from now on") {
    for (const char* id : {"a", "b"}) {
      ConnectOptions v5;
      v5.level = 5;
      v5.clean = false;
      Client again(f);
      CHECK(again.connect(id, v5) == kPresent);
      CHECK(again.next().type == 3);
    }
  }
  SECTION("expiry") { f.advance_ms(61'000); }
  f.commit();
  CHECK(f.kept.sessions.empty());
  CHECK(f.kept.filters.empty());
  CHECK(f.kept.is_empty());
}

TEST_CASE("Retained messages outlive the broker, $SYS does not") {
  auto options = Fixture::quiet();
  options.sys_interval_s = 10;
  Persistent f(options);
  f.advance_ms(11'000);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("a", "old", 1, 1, true);
  pub.publish("a", "new", 1, 2, true);
  pub.publish("b", "x", 0, 0, true);
  pub.publish("c", "x", 0, 0, true);
  pub.publish("c", "", 0, 0, true);
  CHECK(pub.next().type == 0);
  f.commit();
  CHECK(pub.next().type == kPuback);
  CHECK(pub.next().type == kPuback);
  CHECK(f.kept.messages.size() == 2);
  CHECK(f.kept.retained.size() == 2);
  f.crash();
  CHECK(f.kept.pending.empty());
  Client sub(f);
  REQUIRE(sub.connect("sub") == 0);
  sub.send(packet(0x82, number(1) + text("#") + "\x01"s));
  const std::string got = sub.drain();
  CHECK((got == "#9 a=new b=x" || got == "#9 b=x a=new"));
}

TEST_CASE("A publish is acknowledged when what must outlive a crash is durable") {
  Persistent f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  f.subscribe_away("sub", "kept", 1);
  pub.publish("other", "1", 1, 1);
  CHECK(pub.next().type == kPuback);
  pub.publish("kept", "2", 1, 2);
  pub.publish("other", "3", 1, 3);
  CHECK(pub.next().type == 0);
  f.commit();
  CHECK(pub.next().id() == 2);
  CHECK(pub.next().id() == 3);
  SECTION("the hook's obligation counts too") {
    f.hooks.intake = Intake::kPending;
    pub.publish("kept", "4", 1, 4);
    f.commit();
    CHECK(pub.next().type == 0);
    f.complete_all();
    CHECK(pub.next().id() == 4);
    pub.publish("kept", "5", 1, 5);
    f.complete_all();
    CHECK(pub.next().type == 0);
    f.commit();
    CHECK(pub.next().id() == 5);
  }
}

TEST_CASE("Without room in the session store publishers are held, or refused") {
  Persistent f;
  f.subscribe_away("sub", "kept", 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  f.kept.room = Intake::kHold;
  pub.publish("kept", "1", 1, 1);
  CHECK(f.hooks.offered.empty());
  CHECK(f.kept.copies.empty());
  f.kept.room = Intake::kDone;
  f.broker->resume_held();
  f.run();
  f.commit();
  CHECK(pub.next().type == kPuback);
  CHECK(f.kept.copies.size() == 1);
  f.kept.room = Intake::kRefuse;
  pub.publish("kept", "2", 1, 2);
  pub.publish("r", "here", 0, 0, true);
  f.commit();
  CHECK(pub.next().type == 0);
  CHECK(f.kept.copies.size() == 1);
  CHECK(f.kept.retained.empty());
  CHECK(f.broker->stats().retained == 1);
}

TEST_CASE("Queued messages outlive the broker, in order and once for all sessions") {
  Persistent f;
  f.subscribe_away("a", "t", 1);
  f.subscribe_away("b", "t", 2);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 1; i <= 3; ++i) pub.publish("t", std::to_string(i), 1 + i % 2, i);
  f.commit();
  CHECK(f.kept.messages.size() == 3);
  CHECK(f.kept.copies.size() == 6);
  f.crash();
  for (const char* id : {"a", "b"}) {
    Client sub(f);
    REQUIRE(sub.connect(id, lasting()) == kPresent);
    f.commit();
    std::vector<Received> all;
    for (int i = 1; i <= 3; ++i) {
      all.push_back(sub.receive());
      CHECK(all.back().payload == std::to_string(i));
      CHECK_FALSE(all.back().dup);
      CHECK(all.back().id == i);
    }
    for (const Received& got : all) {
      sub.ack(got.qos == 1 ? 0x40 : 0x50, got.id);
      if (got.qos == 1) continue;
      f.commit();
      REQUIRE(sub.next().type == kPubrel);
      sub.ack(0x70, got.id);
    }
    f.commit();
  }
  CHECK(f.kept.is_empty());
}

TEST_CASE("What was not committed is forgotten and was not acknowledged") {
  Persistent f;
  f.subscribe_away("sub", "t", 1);
  {
    Client pub(f);
    REQUIRE(pub.connect("pub") == 0);
    pub.publish("t", "1", 1, 1);
    CHECK(pub.next().type == 0);
  }
  f.crash();
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == kPresent);
  CHECK(sub.next().type == 0);
}

TEST_CASE("Absence is counted from its begin, across restarts") {
  auto options = Fixture::quiet();
  options.session_expiry_ms = 60'000;
  Persistent f(options);
  f.subscribe_away("away", "t", 1);
  Client here(f);
  REQUIRE(here.connect("here", lasting()) == 0);
  f.commit();
  f.advance_ms(10'000);
  f.kept.away_ms = 40'000;
  f.crash();
  CHECK(f.broker->stats().sessions == 2);
  f.advance_ms(21'000);
  CHECK(f.broker->stats().sessions == 1);  // the other was there until the crash
  f.advance_ms(40'000);
  CHECK(f.broker->stats().sessions == 0);
  f.commit();
  CHECK(f.kept.sessions.empty());
}

TEST_CASE("Absence may be told later, when the clock is known") {
  auto options = Fixture::quiet();
  options.session_expiry_ms = 60'000;
  Persistent f(options);
  f.subscribe_away("away", "t", 1);
  f.crash();
  f.broker->set_away("away", 50'000);
  f.broker->set_away("nobody", 50'000);
  f.advance_ms(9'000);
  CHECK(f.broker->stats().sessions == 1);
  f.advance_ms(2'000);
  CHECK(f.broker->stats().sessions == 0);
}

TEST_CASE("Today's limits hold for what is loaded") {
  Persistent f;
  f.subscribe_away("a", "t/#", 1);
  f.subscribe_away("a", "u", 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 1; i <= 5; ++i) pub.publish("t", std::to_string(i), 1, i);
  pub.publish("big", std::string(3000, 'x'), 1, 6, true);
  f.commit();
  f.options.max_queued = 2;
  f.options.max_subscriptions = 1;
  f.options.max_retained_bytes = 2000;
  f.crash();
  f.commit();
  CHECK(f.broker->stats().subscriptions == 1);
  CHECK(f.broker->stats().retained == 0);
  CHECK(f.kept.copies.size() == 2);
  CHECK(f.kept.messages.size() == 2);
  CHECK(f.kept.filters.size() == 1);
  Client a(f);
  REQUIRE(a.connect("a", lasting()) == kPresent);
  CHECK(a.drain() == "t=4 t=5");
}

TEST_CASE("What is loaded counts towards total_memory; the oldest stay") {
  Persistent f;
  f.subscribe_away("a", "t", 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 10; i < 60; ++i) pub.publish("t", std::to_string(i) + std::string(2000, 'x'), 1, i);
  f.commit();
  REQUIRE(f.kept.copies.size() == 50);
  f.options.total_memory = 60'000;
  f.crash();
  f.commit();
  CHECK(f.broker->stats().memory < 60'000);
  const std::size_t left = f.kept.copies.size();
  CHECK(left > 15);
  CHECK(left < 30);
  CHECK(f.kept.messages.size() == left);
  Client a(f);
  REQUIRE(a.connect("a", lasting()) == kPresent);
  for (std::size_t i = 10; i < 10 + left; ++i) {
    CHECK(a.receive().payload.substr(0, 2) == std::to_string(i));
  }
}

TEST_CASE("A session that was loaded leaves no memory behind") {
  Persistent f;
  const std::size_t before = f.broker->stats().memory;
  f.subscribe_away("a", "t", 1);
  const std::size_t with_session = f.broker->stats().memory;
  CHECK(with_session > before);
  f.crash();
  CHECK(f.broker->stats().memory > before);
  {
    Client again(f);
    REQUIRE(again.connect("a") == 0);
    again.disconnect();
  }
  f.run();
  CHECK(f.broker->stats().sessions == 0);
  CHECK(f.broker->stats().memory == before);
}

TEST_CASE("An answer that waits for its commit counts as memory") {
  Persistent f;
  Client client(f);
  REQUIRE(client.connect("a", lasting()) == 0);
  f.subscribe(client, "t", 1);
  const std::size_t before = f.broker->stats().memory;
  const std::string filter = text("t") + std::string(1, '\1');
  std::string filters;
  for (int i = 0; i < 1000; ++i) filters += filter;
  SECTION("until it is given") {
    client.send(packet(0x82, number(7) + filters));
    CHECK(f.broker->stats().memory > before + 10'000);
    f.commit();
    CHECK(client.next().type == 9);
    CHECK(f.broker->stats().memory == before);
  }
  SECTION("until its connection has ended") {
    client.send(packet(0x82, number(7) + filters));
    Client again(f);
    REQUIRE(again.connect("a", lasting()) == kPresent);
    CHECK(f.broker->stats().memory == before);
  }
}

TEST_CASE("A message stays for its copies when it is retained no more") {
  Persistent f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("t", std::string(3000, 'x'), 1, 1, true);
  {
    Client a(f);
    REQUIRE(a.connect("a", lasting()) == 0);
    f.subscribe(a, "t", 1);
  }
  f.commit();
  f.options.max_retained_bytes = 2000;
  f.crash();
  f.commit_and_crash();
  CHECK(f.broker->stats().retained == 0);
  Client a(f);
  REQUIRE(a.connect("a", lasting()) == kPresent);
  CHECK(a.receive().payload.size() == 3000);
}

TEST_CASE("A store that has lost everything is told everything anew") {
  Persistent f;
  Client pub(f);
  REQUIRE((pub.connect("pub", lasting()) & 0xFF) == 0);
  Client on(f);
  REQUIRE((on.connect("on", lasting()) & 0xFF) == 0);
  f.subscribe(on, "t/#", 2);
  {
    Client away(f);
    REQUIRE((away.connect("away", lasting()) & 0xFF) == 0);
    f.subscribe(away, "t/+", 1);
    f.subscribe(away, "$share/g/s/x", 1);
    away.disconnect();
  }
  f.commit();
  pub.publish("t/1", "first", 1, 1, true);  // retained, in flight to `on`, queued for `away`
  pub.publish("t/2", "second", 2, 2);       // held until its PUBREL
  pub.publish("t/3", "third", 1, 3);
  f.commit();
  const Packet sent = on.next();  // of the three, one has got as far as its PUBREC
  REQUIRE(sent.type == 3);
  f.advance_ms(5'000);

  const auto counts = [&f] {
    return std::vector<std::size_t>{f.kept.sessions.size(), f.kept.filters.size(),
                                    f.kept.held.size(),     f.kept.messages.size(),
                                    f.kept.retained.size(), f.kept.copies.size()};
  };
  const auto before = counts();
  REQUIRE(before == std::vector<std::size_t>{3, 3, 1, 4, 1, 6});
  f.broker->keep_anew();
  f.commit();
  CHECK(counts() == before);
  for (const auto& [id, session] : f.kept.sessions) {
    CHECK(session.row.away_ms == (session.client_id == "away" ? 5'000 : 0));
  }

  f.crash();
  CHECK(f.broker->stats().retained == 1);
  Client again(f);
  REQUIRE(again.connect("away", lasting()) == kPresent);
  CHECK(again.drain() == "t/1=first t/2=second t/3=third");
  Client pub_again(f);
  REQUIRE(pub_again.connect("pub", lasting()) == kPresent);
  pub_again.publish("t/2", "second", 2, 2, false, true);
  pub_again.publish("s/x", "shared", 1, 4);
  f.commit();
  CHECK(again.drain() == "s/x=shared");  // and not t/2 once more
}

TEST_CASE("What refers to nothing is erased when it is loaded") {
  Persistent f;
  f.subscribe_away("a", "t", 1);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("t", "1", 1, 1);
  pub.publish("r", "1", 1, 2, true);
  f.commit();
  SECTION("the messages are gone") { f.kept.messages.clear(); }
  SECTION("the sessions are gone") {
    f.kept.sessions.clear();
    f.kept.retained.clear();
  }
  f.crash();
  f.commit();
  CHECK(f.kept.is_empty());
}

TEST_CASE("The oldest of a full queue, and what has expired, leave the store") {
  auto options = Fixture::quiet();
  options.max_queued = 2;
  Persistent f(options);
  f.subscribe_away("a", "t", 1);
  Client pub(f);
  ConnectOptions v5;
  v5.level = 5;
  REQUIRE(pub.connect("pub", v5) == 0);
  for (int i = 1; i <= 3; ++i) {
    pub.send(packet(0x32, text("t") + number(i) + list("\x02\x00\x00\x00\x05"s) + "x"));
  }
  f.commit();
  CHECK(f.kept.copies.size() == 2);
  CHECK(f.kept.messages.size() == 2);
  f.advance_ms(6000);
  Client a(f);
  REQUIRE(a.connect("a", lasting()) == kPresent);
  CHECK(a.next().type == 0);
  f.commit();
  CHECK(f.kept.is_empty());
}

TEST_CASE("Retained messages on their way to a lasting session outlive the broker") {
  Persistent f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  pub.publish("r/1", "x", 1, 1, true);
  {
    Client sub(f);
    REQUIRE(sub.connect("sub", lasting()) == 0);
    f.subscribe(sub, "r/#", 1);
    CHECK(sub.receive().payload == "x");
  }
  f.commit();
  CHECK(f.kept.messages.size() == 1);
  f.crash();
  Client sub(f);
  REQUIRE(sub.connect("sub", lasting()) == kPresent);
  const Received again = sub.receive();
  CHECK(again.payload == "x");
  CHECK(again.retain);
  sub.ack(0x40, again.id);
  f.commit();
  CHECK(f.kept.copies.empty());
  CHECK(f.kept.messages.size() == 1);
}

TEST_CASE("A session stays with the identity that began it") {
  Persistent f;
  f.subscribe_away("a", "t", 1);
  f.kept.sessions.begin()->second.identity = "pump";
  f.crash();
  Client other(f);
  CHECK(other.connect("a", lasting()) == 2);
}

TEST_CASE("A queued message that expires leaves the store, too") {
  Persistent f;
  f.subscribe_away("dev", "t", 1);
  Client pub(f);
  ConnectOptions five;
  five.level = 5;
  REQUIRE(pub.connect("pub", five) == 0);
  pub.send(packet(0x32, text("t") + number(1) + list("\x02\0\0\0\x01"s) + "x"));
  f.commit();
  REQUIRE(f.kept.copies.size() == 1);
  f.advance_ms(2'000);
  f.advance_ms(2'000);
  f.commit();
  CHECK(f.kept.is_empty());
}
