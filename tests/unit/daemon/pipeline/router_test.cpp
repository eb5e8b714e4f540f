#include "daemon/pipeline/router.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using tg::pipeline::Route;
using tg::pipeline::Router;
using tg::store::StreamId;

namespace {

std::vector<StreamId> streams_of(Router& router, std::string_view topic) {
  const auto found = router.match(topic);
  return {found.begin(), found.end()};
}

}  // namespace

TEST_CASE("a publish goes to every route that matches") {
  Router router({{"sensors", {"dt/+/temperature", "dt/+/vibration"}, 0},
                 {"alarms", {"dt/+/alarm/#"}, 1},
                 {"all", {"dt/#"}, 2}});
  CHECK(streams_of(router, "dt/a/temperature") == std::vector<StreamId>{0, 2});
  CHECK(streams_of(router, "dt/a/alarm/high/1") == std::vector<StreamId>{1, 2});
  CHECK(streams_of(router, "dt/a/other") == std::vector<StreamId>{2});
  CHECK(streams_of(router, "local/x").empty());
}

TEST_CASE("two routes to one stream store a publish once") {
  Router router({{"a", {"dt/#"}, 3}, {"b", {"dt/+/x", "dt/y/#"}, 3}});
  CHECK(streams_of(router, "dt/y/x") == std::vector<StreamId>{3});
}

TEST_CASE("a leading wildcard matches neither commands nor reserved topics") {
  Router router({{"hash", {"#"}, 0}, {"plus", {"+/+/request"}, 1}});
  CHECK(streams_of(router, "cmd/a/request").empty());
  CHECK(streams_of(router, "$SYS/broker/uptime").empty());
  CHECK(streams_of(router, "cmd").empty());
  CHECK(streams_of(router, "cmdx/a/request") == std::vector<StreamId>{0, 1});
}

TEST_CASE("an answer is the same the second time and after the memory was emptied") {
  Router router({{"all", {"dt/#"}, 7}});
  for (int i = 0; i < 60'000; ++i) {
    const std::string topic = "dt/" + std::to_string(i);
    REQUIRE(streams_of(router, topic) == std::vector<StreamId>{7});
  }
  CHECK(streams_of(router, "dt/0") == std::vector<StreamId>{7});
  CHECK(streams_of(router, "other").empty());
}
