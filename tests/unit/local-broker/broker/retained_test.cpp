#include "local-broker/broker/retained.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "local-broker/mqtt/topic.h"

using tg::broker::MessageRef;
using tg::broker::Retained;

namespace {

void set(Retained& retained, const std::string& topic, const std::string& payload = "x") {
  REQUIRE(retained.set(topic, MessageRef::make({topic, payload, {}, 0})));
}

std::set<std::string> matched(const Retained& retained, std::string_view filter) {
  std::set<std::string> out;
  retained.match(filter, [&out](const MessageRef& m) { out.emplace(m->topic()); });
  return out;
}

}  // namespace

TEST_CASE("Retained messages are found by every filter that matches") {
  Retained retained(1 << 20);
  const char* topics[] = {"a", "a/b", "a/b/c", "/", "/x", "a//b", "$SYS", "$SYS/a", "$x/y", "b/c"};
  for (const char* topic : topics) set(retained, topic);
  for (const char* filter : {"#", "+", "a", "a/#", "a/+", "+/+", "+/b", "/#", "$SYS/#", "$SYS/+",
                             "+/#", "a/+/c", "none", "none/#"}) {
    std::set<std::string> expected;
    for (const char* topic : topics) {
      if (tg::mqtt::filter_matches(filter, topic)) expected.insert(topic);
    }
    CAPTURE(filter);
    CHECK(matched(retained, filter) == expected);
  }
}

TEST_CASE("The last message of a topic replaces the one before") {
  Retained retained(1 << 20);
  set(retained, "a", "one");
  const auto bytes = retained.bytes();
  set(retained, "a", "two");
  CHECK(retained.size() == 1);
  CHECK(retained.bytes() == bytes);
  retained.match("a", [](const MessageRef& m) { CHECK(m->fields().payload == "two"); });
}

TEST_CASE("Removing gives everything back") {
  Retained retained(1 << 20);
  set(retained, "a/b/c");
  retained.remove("a/b");
  CHECK(retained.size() == 1);
  retained.remove("a/b/c");
  retained.remove("a/b/c");
  CHECK(retained.size() == 0);
  CHECK(retained.bytes() == 0);
  CHECK(matched(retained, "#").empty());
}

TEST_CASE("Without room a topic keeps nothing rather than an old value") {
  Retained retained(1000);
  set(retained, "a", std::string(100, 'x'));
  CHECK_FALSE(retained.set("a", MessageRef::make({"a", std::string(2000, 'x'), {}, 0})));
  CHECK(retained.size() == 0);
  CHECK(retained.bytes() == 0);
}
