#include "local-broker/broker/subscriptions.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "local-broker/mqtt/topic.h"

using tg::broker::Session;
using tg::broker::Sessions;
using tg::broker::Subscriptions;
using Outcome = tg::broker::Subscriptions::Outcome;

namespace {

std::multiset<std::string> matched(Subscriptions& subscriptions, std::string_view topic) {
  std::multiset<std::string> out;
  subscriptions.match(topic, [&out](const auto& s) { out.insert(s.session->client.client_id); });
  return out;
}

}  // namespace

TEST_CASE("A subscription is found by every topic it matches, and by no other") {
  Sessions sessions;
  Subscriptions subscriptions;
  const char* filters[] = {"#",   "+",  "a",    "a/#",   "a/+",    "a/b",    "+/b",  "/",
                           "+/+", "/#", "a//b", "a/+/b", "$SYS/#", "$SYS/+", "+/+/#"};
  for (const char* filter : filters) {
    CHECK(subscriptions.add(sessions.create(filter), filter, 0, 10) == Outcome::kNew);
  }
  for (const char* topic :
       {"a", "a/b", "/", "/b", "a//b", "a/", "b", "$SYS/x", "$SYS", "$SYS/a/b", "a/b/c/d"}) {
    std::multiset<std::string> expected;
    for (const char* filter : filters) {
      if (tg::mqtt::filter_matches(filter, topic)) expected.insert(filter);
    }
    CAPTURE(topic);
    CHECK(matched(subscriptions, topic) == expected);
  }
}

TEST_CASE("Subscribing again replaces the options and adds nothing") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& session = sessions.create("a");
  subscriptions.add(session, "t", 0, 10);
  const auto before = subscriptions.generation();
  CHECK(subscriptions.add(session, "t", 2, 10) == Outcome::kReplaced);
  CHECK(subscriptions.generation() != before);
  CHECK(subscriptions.size() == 1);
  subscriptions.match("t", [](const auto& s) { CHECK(s.options == 2); });
}

TEST_CASE("A session has no more subscriptions than its limit") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& session = sessions.create("a");
  CHECK(subscriptions.add(session, "1", 0, 2) == Outcome::kNew);
  CHECK(subscriptions.add(session, "2", 0, 2) == Outcome::kNew);
  CHECK(subscriptions.add(session, "3", 0, 2) == Outcome::kLimit);
  CHECK(subscriptions.add(session, "2", 1, 2) == Outcome::kReplaced);
  CHECK(matched(subscriptions, "3").empty());
}

TEST_CASE("Removing what was never added is harmless") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& a = sessions.create("a");
  Session& b = sessions.create("b");
  CHECK_FALSE(subscriptions.remove(a, "t"));
  subscriptions.add(b, "t", 0, 10);
  CHECK_FALSE(subscriptions.remove(a, "t"));
  CHECK(matched(subscriptions, "t") == std::multiset<std::string>{"b"});
}

TEST_CASE("The tree agrees with a plain list through many changes") {
  Sessions sessions;
  Subscriptions subscriptions;
  std::vector<Session*> all;
  for (int i = 0; i < 8; ++i) all.push_back(&sessions.create(std::to_string(i)));
  std::map<Session*, std::set<std::string>> model;
  std::mt19937 random(42);
  const char* levels[] = {"a", "b", "", "+", "c", "#"};
  const auto any_path = [&](std::size_t kinds) {
    std::string path = levels[random() % kinds];
    for (auto more = random() % 3; more > 0 && !path.ends_with('#'); --more) {
      path += '/';
      path += levels[random() % kinds];
    }
    return path;
  };
  for (int step = 0; step < 3000; ++step) {
    Session* session = all[random() % all.size()];
    std::string filter = any_path(6);
    if (filter.empty()) continue;
    switch (random() % 8) {
      case 0:
        subscriptions.remove_all(*session);
        model[session].clear();
        break;
      case 1:
      case 2:
      case 3:
        CHECK(subscriptions.remove(*session, filter) == (model[session].erase(filter) == 1));
        break;
      default:
        subscriptions.add(*session, filter, 0, 1000);
        model[session].insert(filter);
    }
    std::string topic = any_path(3);
    if (topic.empty()) topic = "a";
    std::multiset<std::string> expected;
    std::size_t size = 0;
    for (const auto& [owner, filters] : model) {
      size += filters.size();
      for (const auto& f : filters) {
        if (tg::mqtt::filter_matches(f, topic)) expected.insert(owner->client.client_id);
      }
    }
    REQUIRE(matched(subscriptions, topic) == expected);
    REQUIRE(subscriptions.size() == size);
  }
}
