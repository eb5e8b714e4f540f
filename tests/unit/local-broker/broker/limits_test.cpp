// Each limit bounds what it is there for, and what is refused is said and counted.
#include "local-broker/broker/outbound.h"
#include "tests/unit/local-broker/broker/test_client.h"

using namespace std::string_literals;
using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

constexpr std::size_t kTotal = 400'000;

BrokerOptions small_memory() {
  auto options = Fixture::quiet();
  options.total_memory = kTotal;
  options.max_queued = 1'000'000;
  options.max_queued_bytes = 100'000'000;
  options.max_retained_bytes = 100'000'000;
  return options;
}

ConnectOptions lasting(int level = 4) {
  ConnectOptions options;
  options.level = level;
  options.clean = false;
  if (level == 5) options.properties = "\x11\0\0\x03\xE8"s;
  return options;
}

int id_of_publish(const Packet& p) {
  const auto at = 2 + static_cast<std::size_t>(p.id());
  return static_cast<std::uint8_t>(p.body[at]) << 8 | static_cast<std::uint8_t>(p.body[at + 1]);
}

std::string name_of(int i) { return "c" + std::to_string(i); }

}  // namespace

TEST_CASE("total_memory bounds the queues of clients that are away") {
  Fixture f(small_memory());
  for (int i = 0; i < 5; ++i) {
    Client client(f);
    REQUIRE(client.connect(name_of(i), lasting()) == 0);
    client.subscribe("t/" + std::to_string(i % 2), 1);
    client.drop();
  }
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  const std::string payload(5'000, 'x');
  for (int i = 0; i < 400; ++i) pub.publish("t/" + std::to_string(i % 2), payload, 1, 1 + i);
  CHECK(f.broker->stats().memory < kTotal + 20'000);
  CHECK(f.broker->stats().dropped > 500);
  Client back(f);
  REQUIRE(back.connect("c0", lasting()) == 0x100);
  int got = 0;
  for (Packet p = back.next(); p.type == 3; p = back.next()) {
    ++got;
    back.ack(0x40, id_of_publish(p));
  }
  CHECK(got > 20);
}

TEST_CASE("A message that waits for many counts once") {
  Fixture f(small_memory());
  for (int i = 0; i < 50; ++i) {
    Client client(f);
    REQUIRE(client.connect(name_of(i), lasting()) == 0);
    client.subscribe("t", 1);
    client.drop();
  }
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 0; i < 20; ++i) pub.publish("t", std::string(5'000, 'x'), 1, 1 + i);
  CHECK(f.broker->stats().dropped == 0);
}

TEST_CASE("total_memory bounds what is in flight towards lasting sessions") {
  Fixture f(small_memory());
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    REQUIRE(clients.back()->connect(name_of(i), lasting()) == 0);
    clients.back()->subscribe("t/" + std::to_string(i), 1);
  }
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 0; i < 500; ++i) {
    pub.publish("t/" + std::to_string(i % 10), std::string(5'000, 'x'), 1, 1 + i);
    for (auto& client : clients) client->next();  // read, but never acknowledged
  }
  CHECK(f.broker->stats().memory < kTotal + 20'000);
  CHECK(f.broker->stats().dropped > 0);
}

TEST_CASE("The retained set is bounded by what it really takes: deep topics cost their levels") {
  auto options = Fixture::quiet();
  options.max_retained_bytes = 200'000;
  Fixture f(options);
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  std::string tail;
  for (int level = 0; level < 100; ++level) tail += "/x";
  for (int i = 0; i < 1000; ++i) pub.publish(std::to_string(i) + tail, "v", 0, 0, true);
  CHECK(f.broker->stats().retained > 5);
  CHECK(f.broker->stats().retained < 100);
  CHECK(f.broker->stats().dropped + f.broker->stats().retained == 1000);
}

TEST_CASE("A place in a window counts as memory until its acknowledgement, or its session's end") {
  Fixture f;
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  Client sub(f);
  REQUIRE(sub.connect("sub") == 0);
  sub.subscribe("t", 1);
  pub.publish("t", "x", 1, 1);
  sub.ack(0x40, sub.receive().id);
  f.run();
  const std::size_t before = f.broker->stats().memory;
  for (int i = 0; i < 50; ++i) pub.publish("t", "x", 1, 2 + i);
  std::vector<int> ids;
  for (int i = 0; i < 50; ++i) ids.push_back(sub.receive().id);
  // The messages themselves have gone: a session that ends with its connection never repeats one.
  CHECK(f.broker->stats().memory == before + 50 * sizeof(InFlight));
  SECTION("acknowledged") {
    for (const int id : ids) sub.ack(0x40, id);
    f.run();
    CHECK(f.broker->stats().memory == before);
  }
  SECTION("ended") {
    sub.disconnect();
    f.run();
    CHECK(f.broker->stats().memory < before);
  }
}

TEST_CASE("total_memory bounds the retained set, too") {
  Fixture f(small_memory());
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 0; i < 200; ++i) pub.publish(name_of(i), std::string(5'000, 'x'), 0, 0, true);
  CHECK(f.broker->stats().memory < kTotal + 20'000);
  CHECK(f.broker->stats().retained > 50);
}

TEST_CASE("Subscriptions are bounded by memory, not only by their number") {
  Fixture f(small_memory());
  Client five(f);
  ConnectOptions options;
  options.level = 5;
  REQUIRE(five.connect("five", options) == 0);
  int granted = 0;
  int code = 0;
  for (int i = 0; i < 100 && code < 0x80; ++i) {
    const std::string filter = std::to_string(i) + std::string(10'000, 'f');
    five.send(packet(0x82, number(1) + std::string(1, '\0') + text(filter) + '\0'));
    code = static_cast<std::uint8_t>(five.next().body.back());
    granted += code < 0x80 ? 1 : 0;
  }
  CHECK(code == 0x97);
  CHECK(granted > 10);
  CHECK(f.broker->stats().memory < kTotal + 20'000);
  Client four(f);
  REQUIRE(four.connect("four") == 0);
  CHECK(four.subscribe("t") == 0x80);
}

TEST_CASE("Without memory no lasting session and no will is taken, but others are") {
  Fixture f(small_memory());
  ConnectOptions mortal = lasting(5);
  mortal.will_topic = "w";
  mortal.will_payload = std::string(20'000, 'w');
  std::vector<std::unique_ptr<Client>> clients;
  int code = 0;
  for (int i = 0; i < 100 && (code & 0xFF) == 0; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    code = clients.back()->connect(name_of(i), mortal);
  }
  CHECK(code == 0x97);
  CHECK(clients.size() > 10);
  CHECK(f.broker->stats().memory < kTotal + 40'000);
  Client lasts(f);
  CHECK(lasts.connect("lasts", lasting()) == 3);
  Client plain(f);
  CHECK(plain.connect("plain") == 0);
}

TEST_CASE("Unfinished packets are bounded by memory: the one that needs more is ended") {
  Fixture f(small_memory());
  std::vector<std::unique_ptr<Client>> clients;
  const std::string half = packet(0x30, text("t") + std::string(100'000, 'x')).substr(0, 90'000);
  for (int i = 0; i < 10; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    REQUIRE(clients.back()->connect(name_of(i)) == 0);
    clients.back()->send(half);
  }
  int ended = 0;
  for (auto& client : clients) ended += client->is_closed() ? 1 : 0;
  CHECK(ended >= 5);
  CHECK(ended < 10);
  CHECK(f.broker->stats().memory < kTotal + 100'000);
}

TEST_CASE("Topics behind aliases are bounded by memory") {
  Fixture f(small_memory());
  int ended = 0;
  std::vector<std::unique_ptr<Client>> clients;
  ConnectOptions options;
  options.level = 5;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    Client& client = *clients.back();
    REQUIRE((client.connect(name_of(i), options) & 0xFF) == 0);
    for (int alias = 1; alias <= 10; ++alias) {
      const std::string topic = std::to_string(i * 10 + alias) + std::string(20'000, 'a');
      client.send(packet(0x30, text(topic) + list("\x23"s + number(alias))));
    }
    Packet last = client.next();
    if (last.type == 14) {
      ++ended;
      CHECK(static_cast<std::uint8_t>(last.body[0]) == 0x97);
    }
  }
  CHECK(ended >= 1);
  CHECK(f.broker->stats().memory < 3 * kTotal);  // with the topic cache, which has its own limit
}

TEST_CASE("A client that does not read its answers is not read; when it reads it gets them all") {
  auto options = Fixture::quiet();
  options.max_queued_bytes = 1000;
  Fixture f(options);
  Client client(f);
  Client other(f);
  ConnectOptions with_keep_alive;
  with_keep_alive.keep_alive_s = 10;
  REQUIRE(client.connect("deaf", with_keep_alive) == 0);
  REQUIRE(other.connect("other") == 0);
  std::string pings;
  while (pings.size() < 65'536) pings += "\xC0\0"s;
  // Until neither the broker nor the sockets between take any more.
  std::size_t sent = 0;
  for (int idle = 0; idle < 3;) {
    const std::size_t taken = client.put(std::string_view(pings).substr(sent % 2));
    sent += taken;
    idle = taken == 0 ? idle + 1 : 0;
    f.run();
    REQUIRE(sent < 1'000'000'000);
  }
  CHECK(f.broker->stats().memory < 700'000);
  other.publish("t", "x", 1, 1);
  CHECK(other.next().type == 4);
  SECTION("it reads") {
    std::size_t answers = client.skip() / 2;
    if (sent % 2 != 0) {
      client.send("\0"s);
      answers += client.skip() / 2;
    }
    CHECK(answers == (sent + 1) / 2);
  }
  SECTION("it does not: its keep-alive runs out") {
    f.advance_ms(16'000);
    CHECK(f.broker->stats().connections == 1);
  }
}

TEST_CASE("A large message to many slow clients is not in memory once for each") {
  auto options = small_memory();
  options.total_memory = 4'000'000;
  Fixture f(options);
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    REQUIRE(clients.back()->connect(name_of(i)) == 0);
    clients.back()->subscribe("t");
  }
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  for (int i = 0; i < 40; ++i) {
    pub.publish("t", std::string(200'000, 'x'));
    CHECK(f.broker->stats().memory < 5'000'000);
  }
}

TEST_CASE("A will with too many levels is not published") {
  Fixture f;
  Client watch(f);
  REQUIRE(watch.connect("watch") == 0);
  watch.subscribe("#");
  Client mortal(f);
  ConnectOptions options;
  for (int i = 0; i < 200; ++i) options.will_topic += "w/";
  REQUIRE(mortal.connect("mortal", options) == 0);
  mortal.drop();
  CHECK(watch.next().type == 0);
}
