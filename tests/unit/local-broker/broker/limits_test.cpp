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
  CHECK(pub.skip() < 400 * 4);  // those that found no room are not acknowledged
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
  CHECK(f.broker->stats().dropped == 0);
  CHECK(pub.skip() < 500 * 4);
}

TEST_CASE("What a lasting session does not get for want of memory is not acknowledged") {
  Fixture f(small_memory());
  Client away(f);
  REQUIRE(away.connect("away", lasting()) == 0);
  away.subscribe("t", 1);
  away.drop();
  const bool v5 = GENERATE(false, true);
  const int qos = GENERATE(1, 2);
  CAPTURE(v5, qos);
  Client pub(f);
  ConnectOptions options;
  options.level = v5 ? 5 : 4;
  REQUIRE(pub.connect("pub", options) == 0);
  const std::string none = v5 ? std::string(1, '\0') : std::string();
  int taken = 0;
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    pub.send(packet(0x30 | qos << 1, text("t") + number(1 + i) + none + std::string(5'000, 'x')));
    const Packet answer = pub.next();
    const bool is_no = answer.body.size() > 2;
    if (is_no) CHECK(static_cast<std::uint8_t>(answer.body[2]) == 0x97);
    refused += is_no || answer.type == 0 ? 1 : 0;
    taken += !is_no && answer.type != 0 ? 1 : 0;
  }
  CHECK(taken > 20);
  CHECK(refused > 20);
  CHECK(f.broker->stats().dropped == 0);
  // Others are served as before.
  pub.send(packet(0x32, text("nobody") + number(999) + none + "x"));
  CHECK(pub.next().type == 4);
  Client back(f);
  REQUIRE(back.connect("away", lasting()) == 0x100);
  int got = 0;
  for (Packet p = back.next(); p.type == 3; p = back.next()) {
    ++got;
    back.ack(0x40, id_of_publish(p));
  }
  CHECK(got == taken);
  f.advance_ms(31'000);
  CHECK(pub.is_closed() == !v5);
}

TEST_CASE("Messages that expire while they wait give their memory back") {
  Fixture f(small_memory());
  Client away(f);
  REQUIRE(away.connect("away", lasting()) == 0);
  away.subscribe("q/#", 1);
  away.drop();
  Client pub(f);
  ConnectOptions five;
  five.level = 5;
  REQUIRE(pub.connect("pub", five) == 0);
  const std::size_t before = f.broker->stats().memory;
  const auto publish = [&pub](const std::string& topic, bool retain, int expires_s) {
    const std::string expiry = expires_s == 0 ? "" : "\x02\0\0"s + number(expires_s);
    pub.send(packet(retain ? 0x33 : 0x32,
                    text(topic) + number(1) + list(expiry) + std::string(3'000, 'x')));
    CHECK(pub.next().type == 4);
  };
  for (int i = 0; i < 20; ++i) {
    publish("r/" + std::to_string(i), true, i % 2 == 0 ? 1 : 100);
    publish("q/" + std::to_string(i), false, i % 2 == 0 ? 1 : 0);
  }
  CHECK(f.broker->client("away")->queued == 20);
  for (int i = 0; i < 3; ++i) f.advance_ms(1'000);
  CHECK(f.broker->stats().retained == 10);
  CHECK(f.broker->client("away")->queued == 10);
  CHECK(f.broker->stats().memory < before + 20 * 3'800);
  Client back(f);
  REQUIRE(back.connect("away", lasting()) == 0x100);
  for (int i = 1; i < 20; i += 2) CHECK(back.receive().topic == "q/" + std::to_string(i));
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

TEST_CASE("Packet ids that a publisher does not release are bounded by memory") {
  auto options = small_memory();
  options.total_memory = 100'000;
  options.receive_maximum = 60'000;
  Fixture f(options);
  std::string publishes;
  const auto all_at = [&publishes](bool v5) {
    publishes.clear();
    for (int id = 1; id <= 60'000; ++id) {
      publishes += packet(0x34, text("t") + number(id) + (v5 ? std::string(1, '\0') : ""));
    }
  };
  const auto refused = f.metrics.counter("tidegate_broker_refused_total", "");
  int taken = 0;
  int no = 0;
  const auto count_answers = [&](Client& client) {
    for (Packet p = client.next(); p.type == 5; p = client.next()) {
      const bool is_no = p.body.size() > 2 && static_cast<std::uint8_t>(p.body[2]) == 0x97;
      (is_no ? no : taken) += 1;
    }
  };
  SECTION("version 5 is told") {
    Client client(f);
    REQUIRE(client.connect("five", lasting(5)) == 0);
    all_at(true);
    client.send(publishes);
    count_answers(client);
    CHECK(taken > 10'000);
    CHECK(taken + no == 60'000);
    CHECK(no > 0);
    CHECK_FALSE(client.is_closed());
  }
  SECTION("before it the publish stays unanswered and the connection ends") {
    Client client(f);
    REQUIRE(client.connect("four", lasting()) == 0);
    all_at(false);
    client.send(publishes);
    count_answers(client);
    CHECK(taken > 10'000);
    CHECK(taken < 60'000);
    f.advance_ms(31'000);
    CHECK(client.is_closed());
  }
  CHECK(f.broker->stats().memory < 120'000);
  f.advance_ms(2'000);
  CHECK(refused.value() > 0);
}

TEST_CASE("A packet id that is released gives its memory back") {
  Fixture f;
  Client client(f);
  REQUIRE(client.connect("four", lasting()) == 0);
  client.publish("t", "x", 2, 1);
  client.ack(0x62, 1);
  client.skip();
  const std::size_t before = f.broker->stats().memory;
  for (int id = 1; id <= 5'000; ++id) client.put(packet(0x34, text("t") + number(id)));
  client.skip();
  CHECK(f.broker->stats().memory >= before + 10'000);
  for (int id = 1; id <= 5'000; ++id) client.put(packet(0x62, number(id)));
  client.skip();
  CHECK(f.broker->stats().memory < before + 1'000);
}

TEST_CASE("What is remembered of topics counts with the members of shared subscriptions") {
  Fixture f(small_memory());
  std::vector<std::unique_ptr<Client>> members;
  const auto subscribe_all = [&] {
    for (int i = 0; i < 50; ++i) {
      members.push_back(std::make_unique<Client>(f));
      REQUIRE(members.back()->connect(name_of(i)) == 0);
      members.back()->subscribe("$share/g/x/#");
    }
  };
  Client pub(f);
  REQUIRE(pub.connect("pub") == 0);
  SECTION("one topic") {
    subscribe_all();
    const std::size_t before = f.broker->stats().memory;
    pub.publish("x/1", "");
    CHECK(f.broker->stats().memory >= before + 50 * sizeof(void*));
  }
  SECTION("many new ones") {
    subscribe_all();
    for (int i = 0; i < 500; ++i) pub.publish("x/" + std::to_string(i), "");
    CHECK(f.broker->stats().memory < kTotal / 2);
    CHECK(f.broker->stats().delivered >= 500);
  }
  SECTION("many known ones, which get receivers later") {
    for (int i = 0; i < 100; ++i) pub.publish("x/" + std::to_string(i), "");
    subscribe_all();
    for (int i = 0; i < 100; ++i) pub.publish("x/" + std::to_string(i), "");
    CHECK(f.broker->stats().memory < kTotal / 2);
    CHECK(f.broker->stats().delivered >= 100);
  }
}

TEST_CASE("A CONNECT that waits for its answer counts") {
  Fixture f;
  ConnectOptions mortal;
  mortal.will_topic = "w";
  mortal.will_payload = std::string(50'000, 'w');
  f.hooks.ask_later = true;
  const std::size_t before = f.broker->stats().memory;
  Client client(f);
  client.connect("mortal", mortal);
  CHECK(f.broker->stats().memory >= before + 50'000);
  SECTION("it is accepted, and leaves") {
    f.hooks.later(ConnectAnswer::kAccept);
    client.disconnect();
  }
  SECTION("it is refused") { f.hooks.later(ConnectAnswer::kNotAuthorised); }
  f.run();
  CHECK(f.broker->stats().memory == before);
}

TEST_CASE("CONNECTs that do not come to their end cannot take the memory of those connected") {
  Fixture f(small_memory());
  Client well(f);
  REQUIRE(well.connect("well", lasting()) == 0);
  ConnectOptions mortal;
  mortal.will_topic = "w";
  const std::string half = packet(0x10, text("MQTT") + "\x04\x06"s + number(0) + text("a") +
                                            text("w") + text(std::string(30'000, 'w')))
                               .substr(0, 20'000);
  std::vector<std::unique_ptr<Client>> strangers;
  int ended = 0;
  for (int i = 0; i < 30; ++i) {
    strangers.push_back(std::make_unique<Client>(f));
    strangers.back()->send(half);
    ended += strangers.back()->is_closed() ? 1 : 0;
  }
  CHECK(ended == 29);
  CHECK(well.subscribe("t", 1) == 1);
  const std::string publish = packet(0x32, text("t") + number(1) + std::string(30'000, 'x'));
  well.send(publish.substr(0, 20'000));
  well.send(publish.substr(20'000));
  CHECK(well.next().type == 4);
  Client lasts(f);
  CHECK(lasts.connect("lasts", lasting()) == 0);
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
