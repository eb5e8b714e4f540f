#include "daemon/cloud/https_publish.h"

#include <catch2/catch.hpp>

using namespace tg::cloud;

TEST_CASE("the topic is one percent-encoded segment") {
  OutgoingPublish publish;
  publish.topic = "dt/a b/\xC3\xA9";
  CHECK(https_target(publish, 4) == "/topics/dt%2Fa%20b%2F%C3%A9?qos=1");
  publish.retain = true;
  CHECK(https_target(publish, 4) == "/topics/dt%2Fa%20b%2F%C3%A9?qos=1&retain=true");
}

TEST_CASE("the properties of MQTT 5 stand in the query") {
  OutgoingPublish publish;
  publish.topic = "t";
  publish.content_type = "application/json";
  publish.response_topic = "re/1";
  publish.expiry_s = 60;
  CHECK(https_target(publish, 4) == "/topics/t?qos=1");
  CHECK(https_target(publish, 5) ==
        "/topics/t?qos=1&contentType=application%2Fjson&responseTopic=re%2F1&messageExpiry=60");
}

TEST_CASE("2xx acknowledges, some refuse this publish for ever, the others say not now") {
  CHECK_FALSE(https_answer(200, "").refusal);
  CHECK_FALSE(https_answer(200, "").down);
  for (const long status : {400, 403, 404, 413}) {
    const auto answer = https_answer(status, "{\"message\":\"no\"}");
    REQUIRE(answer.refusal);
    CHECK(answer.refusal->for_ever);
    CHECK(answer.refusal->reason.find("no") != std::string::npos);
    CHECK_FALSE(answer.down);
  }
  CHECK(https_answer(401, "").down->cause == DownCause::kRefused);
  for (const long status : {302, 429, 500, 503}) {
    REQUIRE(https_answer(status, "").down);
    CHECK(https_answer(status, "").down->cause == DownCause::kServer);
  }
}
