// What the hook answers, and what the publisher sees of it.
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

std::string ids(Client& client) {
  std::string out;
  for (Packet p = client.next(); p.type != 0; p = client.next()) {
    out += std::to_string(p.type) + ":" + std::to_string(p.id()) + " ";
  }
  return out;
}

}  // namespace

TEST_CASE("A pending publish is acknowledged when it completes, and delivered before") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("t");
  a.publish("t", "x", 1, 7);
  CHECK(a.drain() == "t=x");
  f.complete_all();
  CHECK(ids(a) == "4:7 ");
}

TEST_CASE("Acknowledgements leave in the order in which the publishes came") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.publish("t", "x", 1, 1);
  a.publish("t", "x", 2, 2);
  f.hooks.intake = Intake::kDone;
  a.publish("t", "x", 1, 3);
  CHECK(ids(a).empty());
  REQUIRE(f.hooks.tokens.size() == 2);
  const AckToken second[] = {f.hooks.tokens[1]};
  f.broker->complete(second);
  CHECK(ids(a).empty());
  const AckToken first[] = {f.hooks.tokens[0]};
  f.broker->complete(first);
  CHECK(ids(a) == "4:1 5:2 4:3 ");
}

TEST_CASE("PUBREC leaves only after the store has it") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.publish("t", "x", 2, 9);
  a.publish("t", "x", 2, 9, false, true);
  CHECK(ids(a).empty());
  CHECK(f.hooks.offered.size() == 1);
  f.complete_all();
  CHECK(ids(a) == "5:9 ");
}

TEST_CASE("Unknown and old tokens are ignored") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.publish("t", "x", 1, 1);
  const auto token = f.hooks.tokens.at(0);
  const AckToken odd[] = {0, ~0ULL, token + 1, token};
  a.disconnect();
  f.broker->complete(odd);
  Client b(f);
  REQUIRE(b.connect("b") == 0);
  b.publish("t", "x", 1, 1);
  f.broker->complete(odd);
  CHECK(ids(b).empty());
}

TEST_CASE("A held publish stops its connection and is offered again") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  f.hooks.intake = Intake::kHold;
  a.publish("t", "1", 1, 1);
  a.publish("t", "2", 1, 2);
  a.send("\xC0\0"s);
  CHECK(f.hooks.held == 1);
  CHECK(ids(a).empty());
  f.broker->resume_held();
  f.run();
  CHECK(f.hooks.held == 2);
  f.hooks.intake = Intake::kDone;
  f.broker->resume_held();
  CHECK(a.drain() == "#4 #4 #13");
  CHECK(f.hooks.offered.size() == 2);
}

TEST_CASE("Holding one publisher leaves the others alone, and loses nothing of a burst") {
  Fixture f;
  Client a(f);
  Client b(f);
  REQUIRE(a.connect("a") == 0);
  REQUIRE(b.connect("b") == 0);
  f.hooks.intake = Intake::kHold;
  std::string burst;
  for (int i = 0; i < 2000; ++i) burst += packet(0x30, text("t") + std::string(100, 'x'));
  a.send(burst);
  f.hooks.intake = Intake::kDone;
  b.publish("t", "b", 1, 1);
  CHECK(ids(b) == "4:1 ");
  CHECK(f.hooks.offered.size() == 1);
  f.broker->resume_held();
  for (int i = 0; i < 10; ++i) f.run();
  CHECK(f.hooks.offered.size() == 2001);
}

TEST_CASE("Keep-alive is suspended for a connection that is not read") {
  Fixture f;
  Client a(f);
  ConnectOptions options;
  options.keep_alive_s = 10;
  REQUIRE(a.connect("a", options) == 0);
  f.hooks.intake = Intake::kHold;
  a.publish("t", "1", 1, 1);
  f.advance_ms(100'000);
  f.advance_ms(100'000);
  CHECK_FALSE(a.is_closed());
  f.hooks.intake = Intake::kDone;
  f.broker->resume_held();
  f.run();
  f.advance_ms(14'000);
  CHECK_FALSE(a.is_closed());
  f.advance_ms(2'000);
  CHECK(a.is_closed());
}

TEST_CASE("A held connection that goes away is cleaned up") {
  Fixture f;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  f.hooks.intake = Intake::kHold;
  a.publish("t", "1", 1, 1);
  a.drop();
  f.hooks.intake = Intake::kDone;
  f.broker->resume_held();
  f.run();
  CHECK(f.broker->stats().connections == 0);
}

TEST_CASE("A refused publish is not acknowledged, and its connection ends after the grace") {
  auto options = Fixture::quiet();
  options.refuse_grace_ms = 30'000;
  Fixture f(options);
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  a.subscribe("#");
  f.hooks.intake = Intake::kRefuse;
  a.publish("t", "no", 1, 1, true);
  CHECK(a.drain().empty());
  CHECK(f.broker->stats().retained == 0);
  f.hooks.intake = Intake::kDone;
  a.publish("t", "yes", 1, 2);
  CHECK(a.drain() == "#4 t=yes");
  f.advance_ms(29'000);
  CHECK_FALSE(a.is_closed());
  f.advance_ms(2'000);
  CHECK(a.is_closed());
}

TEST_CASE("A resent publish of a persistent session joins the pending one") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  for (const int qos : {1, 2}) {
    CAPTURE(qos);
    f.hooks.offered.clear();
    const int ack = qos == 1 ? 4 : 5;
    auto first = std::make_unique<Client>(f);
    REQUIRE(first->connect("dev", persistent()) == (qos == 1 ? 0 : 256));
    first->publish("t", "x", qos, 7);
    first->drop();
    Client again(f);
    REQUIRE(again.connect("dev", persistent()) == 256);
    again.publish("t", "x", qos, 7, false, true);
    CHECK(f.hooks.offered.size() == 1);
    CHECK(ids(again).empty());
    f.complete_all();
    CHECK(ids(again) == std::to_string(ack) + ":7 ");
    again.disconnect();
  }
}

TEST_CASE("What completes while the client is away is not acknowledged to nobody") {
  Fixture f;
  f.hooks.intake = Intake::kPending;
  Client first(f);
  REQUIRE(first.connect("dev", persistent()) == 0);
  first.publish("t", "x", 2, 7);
  first.publish("t", "y", 1, 8);
  first.drop();
  f.complete_all();
  Client again(f);
  REQUIRE(again.connect("dev", persistent()) == 256);
  CHECK(ids(again).empty());
  again.publish("t", "x", 2, 7, false, true);
  CHECK(ids(again) == "5:7 ");
  again.publish("t", "y", 1, 8, false, true);
  CHECK(f.hooks.offered.size() == 3);  // QoS 1: at least once; QoS 2: exactly once
}

TEST_CASE("A client owed as many acknowledgements as it may be is not read until some have left") {
  auto options = Fixture::quiet();
  options.receive_maximum = 2;
  Fixture f(options);
  f.hooks.intake = Intake::kPending;
  Client a(f);
  REQUIRE(a.connect("a") == 0);
  for (int i = 1; i <= 5; ++i) a.publish("t", "x", 1, i);
  CHECK(f.hooks.offered.size() == 2);
  f.complete_all();
  f.run();
  CHECK(f.hooks.offered.size() == 4);
  f.complete_all();
  f.run();
  f.complete_all();
  CHECK(ids(a) == "4:1 4:2 4:3 4:4 4:5 ");
}
