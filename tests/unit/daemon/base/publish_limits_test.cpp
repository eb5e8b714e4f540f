#include "daemon/base/publish_limits.h"

#include <catch2/catch.hpp>
#include <string>

using tg::PublishLimits;
using tg::topic_problem;

TEST_CASE("a topic has at most so many levels", "[base]") {
  const PublishLimits aws;
  CHECK_FALSE(topic_problem("a/b/c/d/e/f/g/h", aws));
  CHECK(topic_problem("a/b/c/d/e/f/g/h/i", aws) == "a topic of 9 levels, and the cloud takes 8");
  CHECK(topic_problem("a/b", {.topic_levels = 1}) == "a topic of 2 levels, and the cloud takes 1");
}

TEST_CASE("a topic has at most so many bytes", "[base]") {
  CHECK_FALSE(topic_problem(std::string(256, 't'), {}));
  CHECK(topic_problem(std::string(257, 't'), {}) ==
        "a topic of 257 bytes, and the cloud takes 256");
}

TEST_CASE("the prefix of Basic Ingest does not count", "[base]") {
  CHECK_FALSE(topic_problem("$aws/rules/store/a/b/c/d/e/f/g/h", {}));
  CHECK(topic_problem("$aws/rules/store/a/b/c/d/e/f/g/h/i", {}));
  CHECK_FALSE(topic_problem("$aws/rules/store/" + std::string(256, 't'), {}));
  CHECK(topic_problem("$aws/rules/store/" + std::string(257, 't'), {}));
  CHECK_FALSE(topic_problem("$aws/rules/store", {}));
}
