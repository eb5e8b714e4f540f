#include <poll.h>

#include "tests/unit/local-broker/broker/test_client.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

ConnectOptions persistent() {
  ConnectOptions options;
  options.clean = false;
  return options;
}

ConnectOptions with_will(int qos = 0, bool retain = false) {
  ConnectOptions options;
  options.will_topic = "will";
  options.will_payload = "gone";
  options.will_qos = qos;
  options.will_retain = retain;
  return options;
}

}  // namespace

TEST_CASE("A persistent session keeps subscriptions and what was sent at QoS 1 and 2 meanwhile") {
  Fixture f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  {
    Client sub(f);
    REQUIRE(sub.connect("sub", persistent()) == 0);
    sub.subscribe("t", 2);
    sub.disconnect();
  }
  pub.publish("t", "0");
  pub.publish("t", "1", 1, 1);
  pub.publish("t", "2", 2, 2);
  Client sub(f);
  CHECK(sub.connect("sub", persistent()) == 256);
  const Received one = sub.receive();
  CHECK(one.payload == "1");
  CHECK(one.qos == 1);
  CHECK_FALSE(one.dup);
  CHECK(sub.receive().payload == "2");
  CHECK(sub.next().type == 0);
}

TEST_CASE("What was in flight is sent again with DUP and the same id, in order") {
  Fixture f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  auto sub = std::make_unique<Client>(f);
  REQUIRE(sub->connect("sub", persistent()) == 0);
  sub->subscribe("t", 2);
  pub.publish("t", "1", 1, 1);
  pub.publish("t", "2", 2, 2);
  pub.publish("t", "3", 2, 3);
  const Received one = sub->receive();
  const Received two = sub->receive();
  const Received three = sub->receive();
  sub->ack(0x50, two.id);
  CHECK(sub->next().type == 6);
  sub->drop();
  Client back(f);
  REQUIRE(back.connect("sub", persistent()) == 256);
  const Received again = back.receive();
  CHECK(again.dup);
  CHECK(again.id == one.id);
  CHECK(again.payload == "1");
  const Packet release = back.next();
  CHECK(release.type == 6);
  CHECK(release.id() == two.id);
  const Received last = back.receive();
  CHECK(last.id == three.id);
  CHECK(last.dup);
  back.ack(0x40, one.id);
  back.ack(0x70, two.id);
  back.ack(0x50, three.id);
  CHECK(back.next().type == 6);
  back.ack(0x70, three.id);
  back.disconnect();
  Client third(f);
  REQUIRE(third.connect("sub", persistent()) == 256);
  CHECK(third.next().type == 0);
}

TEST_CASE("A clean session ends with its connection, and a clean CONNECT ends the old one") {
  Fixture f;
  {
    Client a(f);
    REQUIRE(a.connect("a") == 0);
    a.subscribe("t");
    a.drop();
  }
  CHECK(f.broker->stats().sessions == 0);
  CHECK(f.broker->stats().subscriptions == 0);
  {
    Client a(f);
    REQUIRE(a.connect("a", persistent()) == 0);
    a.subscribe("t");
    a.drop();
  }
  CHECK(f.broker->stats().sessions == 1);
  Client a(f);
  CHECK(a.connect("a") == 0);
  CHECK(f.broker->stats().subscriptions == 0);
  a.disconnect();
  Client b(f);
  CHECK(b.connect("a", persistent()) == 0);
}

TEST_CASE("A session whose client stays away expires") {
  auto options = Fixture::quiet();
  options.session_expiry_ms = 60'000;
  Fixture f(options);
  {
    Client a(f);
    REQUIRE(a.connect("a", persistent()) == 0);
    a.subscribe("t", 1);
    a.disconnect();
  }
  f.advance_ms(50'000);
  {
    Client a(f);
    REQUIRE(a.connect("a", persistent()) == 256);
    f.advance_ms(120'000);
    a.disconnect();
  }
  f.advance_ms(59'000);
  CHECK(f.broker->stats().sessions == 1);
  f.advance_ms(2'000);
  CHECK(f.broker->stats().sessions == 0);
  CHECK(f.broker->stats().subscriptions == 0);
}

TEST_CASE("A second CONNECT with the same id takes the session over") {
  Fixture f;
  Client first(f);
  REQUIRE(first.connect("a", persistent()) == 0);
  first.subscribe("t");
  Client second(f);
  CHECK(second.connect("a", persistent()) == 256);
  CHECK(first.is_closed());
  CHECK(f.hooks.events == std::vector<std::string>{"+a", "-a", "+a"});
  second.publish("t", "x");
  CHECK(second.drain() == "t=x");
  CHECK(f.broker->stats().connections == 1);
}

TEST_CASE("Taking over a clean session starts anew and publishes the will") {
  Fixture f;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("will");
  Client first(f);
  REQUIRE(first.connect("a", with_will()) == 0);
  first.subscribe("t");
  Client second(f);
  CHECK(second.connect("a") == 0);
  CHECK(first.is_closed());
  CHECK(watch.drain() == "will=gone");
  second.publish("t", "x");
  CHECK(second.drain().empty());
}

TEST_CASE("A will is published when the connection breaks, not after DISCONNECT") {
  Fixture f;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("will", 1);
  {
    Client a(f);
    REQUIRE(a.connect("a", with_will(1, true)) == 0);
    a.disconnect();
  }
  CHECK(watch.drain().empty());
  {
    Client a(f);
    REQUIRE(a.connect("a", with_will(1, true)) == 0);
    a.drop();
  }
  const Received will = watch.receive();
  CHECK(will.payload == "gone");
  CHECK(will.qos == 1);
  CHECK_FALSE(will.retain);
  CHECK(f.broker->stats().retained == 1);
  REQUIRE(f.hooks.offered.size() == 1);
  CHECK(f.hooks.offered[0].is_will);
  CHECK(f.hooks.offered[0].client_id == "a");
}

TEST_CASE("A will is published for malformed input and for a keep-alive that ran out") {
  Fixture f;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("will");
  Client a(f);
  REQUIRE(a.connect("a", with_will()) == 0);
  a.send("\xF0\0"s);
  CHECK(watch.drain() == "will=gone");
  Client b(f);
  auto options = with_will();
  options.keep_alive_s = 1;
  REQUIRE(b.connect("b", options) == 0);
  f.advance_ms(2'000);
  CHECK(watch.drain() == "will=gone");
}

TEST_CASE("A will that finds no room waits") {
  Fixture f;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("will");
  Client a(f);
  REQUIRE(a.connect("a", with_will()) == 0);
  f.hooks.intake = Intake::kHold;
  a.drop();
  CHECK(watch.drain().empty());
  f.hooks.intake = Intake::kDone;
  f.broker->resume_held();
  CHECK(watch.drain() == "will=gone");
}

TEST_CASE("The end of the broker flushes what is owed and publishes no wills") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("#");
  Client a(f);
  REQUIRE(a.connect("a", with_will()) == 0);
  a.publish("t", "x", 1, 1);
  f.broker->stop_listening();
  f.complete_all();
  f.broker->disconnect_all();
  CHECK(a.next().type == 4);
  CHECK(a.is_closed());
  CHECK(watch.drain() == "t=x");
  CHECK(watch.is_closed());
  CHECK(f.broker->stats().connections == 0);
}

TEST_CASE("poll_fd tells when there is something to do, also what no socket announces") {
  Fixture f;
  const auto readable = [&f] {
    pollfd entry{f.broker->poll_fd(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  };
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("t");
  CHECK_FALSE(readable());
  f.broker->publish("t", "x", 0, false);
  CHECK(readable());
  CHECK(a.drain() == "t=x");
  CHECK_FALSE(readable());
}
