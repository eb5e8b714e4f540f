// $SYS as mosquitto's users know it.
#include <map>

#include "tests/unit/local-broker/broker/test_client.h"

using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

BrokerOptions every_second() {
  BrokerOptions options;
  options.sys_interval_s = 1;
  options.version = "1.2.3";
  return options;
}

// What a new subscriber is told, without "$SYS/broker/".
std::map<std::string, std::string> told(Fixture& f, const std::string& filter = "$SYS/#") {
  Client client(f);
  REQUIRE(client.connect("asks") == 0);
  client.send(packet(0x82, number(1) + text(filter) + std::string(1, '\0')));
  REQUIRE(client.next().type == 9);
  std::map<std::string, std::string> out;
  for (Packet p = client.next(); p.type == 3; p = client.next()) {
    CHECK((p.flags & 1) == 1);
    const auto length = static_cast<std::size_t>(p.id());
    out[p.body.substr(12 + 2, length - 12)] = p.body.substr(2 + length);
  }
  return out;
}

}  // namespace

TEST_CASE("A $SYS value that found no memory is said again when there is some") {
  auto options = every_second();
  options.total_memory = 400'000;
  Fixture f(options);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  f.advance_ms(2'000);
  const std::size_t all = told(f).size();
  int filled = 0;
  for (const std::size_t size : {10'000U, 1'000U, 100U, 10U, 1U}) {  // to the last byte
    for (int i = 0; i < 40; ++i) {
      pub.publish("fill/" + std::to_string(filled++), std::string(size, 'x'), 0, 0, true);
    }
  }
  Client other(f);
  REQUIRE(other.connect("other") == 0);
  f.advance_ms(2'000);
  CHECK(told(f).size() < all);
  for (int i = 0; i < filled; ++i) pub.publish("fill/" + std::to_string(i), "", 0, 0, true);
  f.advance_ms(2'000);
  CHECK(told(f).size() == all);
}

TEST_CASE("$SYS names the version, the time, the clients and what has passed") {
  Fixture f(every_second());
  Client sub(f);
  Client pub(f);
  REQUIRE(sub.connect("sub") == 0);
  REQUIRE(pub.connect("pub") == 0);
  {
    ConnectOptions lasting;
    lasting.clean = false;
    Client away(f);
    REQUIRE(away.connect("away", lasting) == 0);
    away.subscribe("t", 1);
    away.disconnect();
  }
  sub.subscribe("t", 1);
  sub.subscribe("$share/g/u", 0);
  pub.publish("t", "four", 1, 1);
  pub.publish("kept", "kept", 0, 0, true);
  f.advance_ms(61'000);
  auto said = told(f);
  CHECK(said["version"] == "tidegate version 1.2.3");
  CHECK(said["uptime"] == "61 seconds");
  CHECK(said["clients/connected"] == "2");
  CHECK(said["clients/disconnected"] == "1");
  CHECK(said["clients/total"] == "3");
  CHECK(said["clients/maximum"] == "3");
  CHECK(said["clients/expired"] == "0");
  CHECK(said["publish/messages/received"] == "2");
  CHECK(said["publish/messages/sent"] == "1");
  CHECK(said["publish/messages/dropped"] == "0");
  CHECK(said["publish/bytes/received"] == "8");
  CHECK(said["publish/bytes/sent"] == "4");
  CHECK(said["messages/received"] == "9");  // 3 CONNECT, 3 SUBSCRIBE, 2 PUBLISH, DISCONNECT
  CHECK(said["messages/sent"] == "8");      // 3 CONNACK, 3 SUBACK, PUBLISH, PUBACK
  CHECK(std::stoi(said["bytes/received"]) > 80);
  CHECK(std::stoi(said["bytes/sent"]) > 30);
  CHECK(said["subscriptions/count"] == "3");
  CHECK(said["shared_subscriptions/count"] == "1");
  CHECK(std::stoi(said["retained messages/count"]) > 20);  // $SYS itself, and one more
  CHECK(std::stoi(said["store/messages/count"]) > 1);
  CHECK(std::stoi(said["store/messages/bytes"]) > 100);
}

TEST_CASE("$SYS loads are a minute's events, averaged over 1, 5 and 15 minutes") {
  Fixture f(every_second());
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int second = 0; second < 120; ++second) {
    for (int i = 0; i < 2; ++i) pub.publish("t", "x");
    f.advance_ms(1000);
  }
  auto said = told(f, "$SYS/broker/load/#");
  CHECK(said.size() == 27);
  const double minute = std::stod(said["load/publish/received/1min"]);
  const double quarter = std::stod(said["load/publish/received/15min"]);
  CHECK(minute > 90);
  CHECK(minute <= 130);
  CHECK(quarter > 5);
  CHECK(quarter < minute);
  CHECK(said["load/publish/sent/1min"] == "0.00");
}

TEST_CASE("$SYS topics are published when they have changed, and to who subscribes to them") {
  Fixture f(every_second());
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("#");
  watch.subscribe("$SYS/broker/clients/#");
  watch.drain();
  f.advance_ms(2000);
  watch.drain();
  f.advance_ms(2000);
  CHECK(watch.drain().empty());
  Client other(f);
  REQUIRE(other.connect("other") == 0);
  f.advance_ms(2000);
  const std::string said = watch.drain();
  CHECK(said.find("$SYS/broker/clients/connected=2") != std::string::npos);
  CHECK(said.find("uptime") == std::string::npos);
}
