#include "local-broker/mqtt/topic.h"

#include <catch2/catch.hpp>
#include <string>

using tg::mqtt::filter_matches;
using tg::mqtt::is_valid_topic_filter;
using tg::mqtt::is_valid_topic_name;

TEST_CASE("A topic name has at least one byte, no wildcard, and valid UTF-8") {
  CHECK(is_valid_topic_name("a"));
  CHECK(is_valid_topic_name("/"));
  CHECK(is_valid_topic_name("a//b/ c"));
  CHECK(is_valid_topic_name("$SYS/x"));
  CHECK(is_valid_topic_name(std::string(65'535, 'a')));
  CHECK_FALSE(is_valid_topic_name(std::string(65'536, 'a')));
  CHECK_FALSE(is_valid_topic_name(""));
  CHECK_FALSE(is_valid_topic_name("a/+"));
  CHECK_FALSE(is_valid_topic_name("a#"));
  CHECK_FALSE(is_valid_topic_name("a/\xFF"));
}

TEST_CASE("Wildcards fill a whole level, and # only the last one") {
  for (const char* filter : {"#", "+", "/", "a/#", "a/+/b", "+/+", "/+", "a/", "+/tennis/#"}) {
    CAPTURE(filter);
    CHECK(is_valid_topic_filter(filter));
  }
  for (const char* filter : {"", "a#", "a/#/b", "#/", "a+", "+a/b", "a/b+", "##", "a/#b", "++"}) {
    CAPTURE(filter);
    CHECK_FALSE(is_valid_topic_filter(filter));
  }
}

TEST_CASE("Filters match topics as the examples of section 4.7 say") {
  struct Example {
    const char* filter;
    const char* topic;
    bool matches;
  };
  const Example examples[] = {
      {"sport/tennis/player1/#", "sport/tennis/player1", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/ranking", true},
      {"sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true},
      {"sport/tennis/player1/#", "sport/tennis/player2", false},
      {"sport/#", "sport", true},
      {"#", "a/b/c", true},
      {"sport/tennis/+", "sport/tennis/player1", true},
      {"sport/tennis/+", "sport/tennis/player1/ranking", false},
      {"sport/+", "sport", false},
      {"sport/+", "sport/", true},
      {"+/+", "/finance", true},
      {"/+", "/finance", true},
      {"+", "/finance", false},
      {"#", "$SYS/broker", false},
      {"+/monitor/Clients", "$SYS/monitor/Clients", false},
      {"$SYS/#", "$SYS/broker", true},
      {"$SYS/monitor/+", "$SYS/monitor/Clients", true},
      {"ACCOUNTS", "Accounts", false},
      {"a", "/a", false},
      {"a/b", "a", false},
      {"a", "a/", false},
      {"a//b", "a//b", true},
      {"a/+/b", "a//b", true},
  };
  for (const auto& example : examples) {
    CAPTURE(example.filter, example.topic);
    CHECK(filter_matches(example.filter, example.topic) == example.matches);
  }
}

TEST_CASE("Levels may be empty") {
  CHECK(tg::mqtt::level_count("a") == 1);
  CHECK(tg::mqtt::level_count("/") == 2);
  CHECK(tg::mqtt::level_count("a//b") == 3);
}
