#include "daemon/uplink/topic_map.h"

#include <catch2/catch.hpp>

using tg::uplink::map_topic;

TEST_CASE("what the wildcards matched takes the place of the other side's") {
  CHECK(map_topic("cmd/gw1/+/request", "cmd/+/request", "cmd/gw1/d7/request") == "cmd/d7/request");
  CHECK(map_topic("cmd/+/response", "cmd/gw1/+/response", "cmd/d7/response") ==
        "cmd/gw1/d7/response");
  CHECK(map_topic("a/+/b/+", "+/x/+", "a/1/b/2") == "1/x/2");
  CHECK(map_topic("a/b", "c", "a/b") == "c");
}

TEST_CASE("a trailing # stands for all that is left, or for nothing") {
  CHECK(map_topic("site/#", "plant/site/#", "site/a/b") == "plant/site/a/b");
  CHECK(map_topic("site/#", "plant/site/#", "site") == "plant/site");
  CHECK(map_topic("site/#", "plant/site/#", "site/") == "plant/site/");
  CHECK(map_topic("#", "up/#", "a/b") == "up/a/b");
  CHECK(map_topic("+/x/#", "y/+/#", "1/x/2/3") == "y/1/2/3");
}

TEST_CASE("an empty level is a level") {
  CHECK(map_topic("a/+/c", "+/d", "a//c") == "/d");
  CHECK(map_topic("a/+", "b/+", "a/") == "b/");
}

TEST_CASE("a topic that does not match is mapped to nothing") {
  CHECK_FALSE(map_topic("a/+", "b/+", "a/b/c"));
  CHECK_FALSE(map_topic("a/b", "c", "a"));
  CHECK_FALSE(map_topic("+/b", "c/+", "$sys/b"));
}
