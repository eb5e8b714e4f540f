// A flood from one device does not starve another.
#include <map>

#include "tests/unit/local-broker/broker/test_client.h"

using namespace tg;
using namespace tg::broker;
using namespace tg::broker::test;

namespace {

constexpr std::size_t kShare = 64 * 1024;  // of a round, as in receive.cpp

std::string publish_of(const std::string& topic, int qos) {
  const std::string payload(64, 'x');
  return packet(0x30 | qos << 1, text(topic) + (qos > 0 ? number(1) : "") + payload);
}

std::string many(const std::string& one, std::size_t bytes) {
  std::string out;
  while (out.size() < bytes) out += one;
  return out;
}

// Slow consumers: what they do not read is dropped, which is work, too.
BrokerOptions small_output() {
  auto options = Fixture::quiet();
  options.max_queued_bytes = 64 * 1024;
  return options;
}

std::vector<std::unique_ptr<Client>> subscribers(Fixture& f, int count, const std::string& filter) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(f));
    REQUIRE(clients.back()->connect("s" + std::to_string(i)) == 0);
    clients.back()->subscribe(filter);
  }
  return clients;
}

// Topics r/0 to r/COUNT-1 are retained.
struct Asked {
  Asked(int count, const std::string& payload) {
    REQUIRE(other.connect("other") == 0);
    REQUIRE(greedy.connect("greedy") == 0);
    for (int i = 0; i < count; ++i) {
      other.send(packet(0x31, text("r/" + std::to_string(i)) + payload));
    }
  }
  Fixture f;
  Client other{f};
  Client greedy{f};
};

}  // namespace

TEST_CASE("What is served before another device's next message is bounded") {
  constexpr int kRounds = 6;
  constexpr int kQuiet = 20;
  for (const int qos : {0, 1}) {
    Fixture f;
    Client flood(f);
    REQUIRE(flood.connect("flood") == 0);
    std::vector<std::unique_ptr<Client>> quiet;
    for (int i = 0; i < kQuiet; ++i) {
      quiet.push_back(std::make_unique<Client>(f));
      REQUIRE(quiet.back()->connect("quiet" + std::to_string(i)) == 0);
    }
    const std::string one = publish_of("flood", qos);
    const std::string flooding = many(one, 8 * kShare);
    std::size_t taken = 0;  // of the flood; it goes on where it stopped
    for (int round = 0; round < kRounds; ++round) {
      f.hooks.offered.clear();
      taken = (taken + flood.put(flooding.substr(taken))) % flooding.size();
      for (auto& client : quiet) client->put(publish_of("quiet", 1));
      f.broker->poll(0);
      std::size_t before_last = 0;
      std::size_t found = 0;
      for (std::size_t i = 0; i < f.hooks.offered.size(); ++i) {
        if (f.hooks.offered[i].topic != "quiet") continue;
        before_last = i - found;
        ++found;
      }
      CHECK(found == kQuiet);
      CHECK(before_last <= kShare / one.size() + 1);
      flood.drain();
    }
  }
}

TEST_CASE("A client that asks for many retained messages again and again takes turns") {
  Asked asked(300, "x");
  auto& [f, other, greedy] = asked;
  f.hooks.offered.clear();
  std::string asking;
  for (int i = 0; i < 60; ++i) {
    asking += packet(0x82, number(1 + i) + text("r/+") + std::string(1, '\0'));
  }
  greedy.put(asking);
  f.broker->poll(0);
  other.put(publish_of("other", 1));
  f.broker->poll(0);
  REQUIRE(f.hooks.offered.size() == 1);  // served while most of the asking still waits
  int answers = 0;
  int retained = 0;
  for (Packet p = greedy.next(); p.type != 0; p = greedy.next()) {
    answers += p.type == 9 ? 1 : 0;
    retained += p.type == 3 ? 1 : 0;
  }
  CHECK(answers == 60);
  CHECK(retained >= 300);
}

TEST_CASE("A flood to many subscribers takes turns by its deliveries, not by its bytes") {
  constexpr int kRounds = 6;
  constexpr std::size_t kSubscribers = 200;
  Fixture f(small_output());
  const auto slow = subscribers(f, kSubscribers, "f");
  Client flood(f);
  Client quiet(f);
  REQUIRE(flood.connect("flood") == 0);
  REQUIRE(quiet.connect("quiet") == 0);
  const std::string one = packet(0x30, text("f"));
  const std::string flooding = many(one, 8 * kShare);
  std::size_t taken = 0;
  for (int round = 0; round < kRounds; ++round) {
    f.hooks.offered.clear();
    taken = (taken + flood.put(flooding.substr(taken))) % flooding.size();
    quiet.put(publish_of("quiet", 1));
    f.broker->poll(0);
    std::size_t before = 0;
    while (before < f.hooks.offered.size() && f.hooks.offered[before].topic != "quiet") ++before;
    CHECK(before < f.hooks.offered.size());
    CHECK(before * kSubscribers <= 34'000);
  }
  CHECK_FALSE(flood.is_closed());
}

TEST_CASE("Wills of many clients that go at once take turns with those who stay") {
  constexpr int kMortals = 60;
  Fixture f(small_output());
  const auto slow = subscribers(f, 50, "w");
  Client quiet(f);
  REQUIRE(quiet.connect("quiet") == 0);
  ConnectOptions mortal;
  mortal.will_topic = "w";
  mortal.will_payload = std::string(40'000, 'w');
  std::vector<std::unique_ptr<Client>> mortals;
  for (int i = 0; i < kMortals; ++i) {
    mortals.push_back(std::make_unique<Client>(f));
    REQUIRE(mortals.back()->connect("m" + std::to_string(i), mortal) == 0);
  }
  for (auto& client : mortals) client->cut();
  f.broker->poll(0);
  quiet.put(publish_of("quiet", 1));
  f.broker->poll(0);
  std::size_t before = 0;
  while (before < f.hooks.offered.size() && f.hooks.offered[before].topic != "quiet") ++before;
  CHECK(before < kMortals - 5);
  for (int i = 0; i < 10; ++i) f.run();
  CHECK(f.hooks.offered.size() == kMortals + 1);
}

TEST_CASE("One SUBSCRIBE with many filters takes turns") {
  Asked asked(300, "x");
  auto& [f, other, greedy] = asked;
  std::string filters;
  for (int i = 0; i < 60; ++i) filters += text("r/+") + std::string(1, '\0');
  f.hooks.asked = 0;
  greedy.put(packet(0x82, number(1) + filters) + "\xC0" + std::string(1, '\0'));
  f.broker->poll(0);
  CHECK(f.hooks.asked <= 60 + 8 * 600);  // eight rounds
  int retained = 0;
  Packet p = greedy.next();
  CHECK(p.type == 9);
  for (int i = 0; i < 1000 && p.type != 13; ++i) {
    f.run();
    for (p = greedy.next(); p.type == 3; p = greedy.next()) ++retained;
  }
  CHECK(p.type == 13);  // what follows the SUBSCRIBE waits for its end
  CHECK(retained >= 300);
}

TEST_CASE("A filter that many retained messages match takes turns, and gives no outdated value") {
  constexpr int kMessages = 3'000;
  Asked asked(kMessages, "old");
  auto& [f, other, greedy] = asked;
  f.hooks.asked = 0;
  greedy.put(packet(0x82, number(1) + text("r/+") + std::string(1, '\0')) + "\xC0" +
             std::string(1, '\0'));
  f.broker->poll(0);
  CHECK(f.hooks.asked > 0);
  CHECK(f.hooks.asked <= 8 * 300);  // eight rounds
  for (const int i : {0, kMessages - 1}) {
    other.put(packet(0x31, text("r/" + std::to_string(i)) + "new"));
  }
  std::map<std::string, std::string> got;
  Packet p;
  for (int i = 0; i < 1000 && p.type != 13; ++i) {
    f.run();
    for (p = greedy.next(); p.type == 3 || p.type == 9; p = greedy.next()) {
      if (p.type == 9) continue;
      const auto length = static_cast<std::size_t>(p.id());
      got[p.body.substr(2, length)] = p.body.substr(2 + length);
    }
  }
  CHECK(p.type == 13);
  CHECK(got.size() == kMessages);
  CHECK(got["r/0"] == "new");
  CHECK(got["r/" + std::to_string(kMessages - 1)] == "new");
}
