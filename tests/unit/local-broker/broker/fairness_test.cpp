// A flood from one device does not starve another.
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
  Fixture f;
  Client other(f);
  Client greedy(f);
  REQUIRE(other.connect("other") == 0);
  REQUIRE(greedy.connect("greedy") == 0);
  for (int i = 0; i < 300; ++i) {
    other.send(packet(0x31, text("r/" + std::to_string(i)) + "x"));
  }
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
