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

tg::mqtt::FilterRequest request(std::string_view filter, std::uint8_t options = 0,
                                std::string_view group = {}) {
  return {filter, group, options};
}

void no_group(Subscriptions::GroupPlace /*place*/, const tg::broker::SharedGroup& /*group*/) {}

std::multiset<std::string> matched(Subscriptions& subscriptions, std::string_view topic) {
  std::multiset<std::string> out;
  subscriptions.match(
      topic, [&out](const auto& s) { out.insert(s.session->client.client_id); }, no_group);
  return out;
}

}  // namespace

TEST_CASE("A subscription is found by every topic it matches, and by no other") {
  Sessions sessions;
  Subscriptions subscriptions;
  const char* filters[] = {"#",   "+",  "a",    "a/#",   "a/+",    "a/b",    "+/b",  "/",
                           "+/+", "/#", "a//b", "a/+/b", "$SYS/#", "$SYS/+", "+/+/#"};
  for (const char* filter : filters) {
    CHECK(subscriptions.add(sessions.create(filter), request(filter, 0), 0, 10) == Outcome::kNew);
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
  subscriptions.add(session, request("t", 0), 0, 10);
  const auto before = subscriptions.generation();
  CHECK(subscriptions.add(session, request("t", 2), 0, 10) == Outcome::kReplaced);
  CHECK(subscriptions.generation() != before);
  CHECK(subscriptions.size() == 1);
  subscriptions.match(
      "t", [](const auto& s) { CHECK(s.options == 2); }, no_group);
}

TEST_CASE("A session has no more subscriptions than its limit") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& session = sessions.create("a");
  CHECK(subscriptions.add(session, request("1", 0), 0, 2) == Outcome::kNew);
  CHECK(subscriptions.add(session, request("2", 0), 0, 2) == Outcome::kNew);
  CHECK(subscriptions.add(session, request("3", 0), 0, 2) == Outcome::kLimit);
  CHECK(subscriptions.add(session, request("2", 1), 0, 2) == Outcome::kReplaced);
  CHECK(matched(subscriptions, "3").empty());
}

TEST_CASE("Removing what was never added is harmless") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& a = sessions.create("a");
  Session& b = sessions.create("b");
  CHECK_FALSE(subscriptions.remove(a, request("t")));
  subscriptions.add(b, request("t", 0), 0, 10);
  CHECK_FALSE(subscriptions.remove(a, request("t")));
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
        CHECK(subscriptions.remove(*session, request(filter)) ==
              (model[session].erase(filter) == 1));
        break;
      default:
        subscriptions.add(*session, request(filter, 0), 0, 1000);
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

TEST_CASE("Members of shared subscriptions come and go") {
  Sessions sessions;
  Subscriptions subscriptions;
  Session& a = sessions.create("a");
  Session& b = sessions.create("b");
  const auto members = [&subscriptions](std::string_view topic) {
    std::map<std::string, std::size_t> out;
    subscriptions.match(
        topic, [](const auto&) { FAIL("not a subscription of its own"); },
        [&out](auto, const auto& group) { out[group.name] = group.members.size(); });
    return out;
  };
  const auto first = request("t/+", 1, "first");
  const auto second = request("t/+", 1, "second");
  CHECK(subscriptions.add(a, first, 0, 10) == Outcome::kNew);
  CHECK(subscriptions.add(a, second, 0, 10) == Outcome::kNew);
  CHECK(subscriptions.add(b, second, 0, 10) == Outcome::kNew);
  CHECK(subscriptions.add(b, second, 7, 10) == Outcome::kReplaced);
  CHECK(members("t/1") == std::map<std::string, std::size_t>{{"first", 1}, {"second", 2}});
  CHECK_FALSE(subscriptions.remove(b, first));
  CHECK_FALSE(subscriptions.remove(b, request("t/+")));
  CHECK(subscriptions.remove(a, first));  // "second" moves into its place
  CHECK(members("t/1") == std::map<std::string, std::size_t>{{"second", 2}});
  subscriptions.remove_all(a);
  CHECK(members("t/1") == std::map<std::string, std::size_t>{{"second", 1}});
  CHECK(subscriptions.remove(b, second));
  CHECK(members("t/1").empty());
  CHECK(subscriptions.size() == 0);
}
