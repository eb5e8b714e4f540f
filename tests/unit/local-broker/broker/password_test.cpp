#include "local-broker/broker/password.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "local-broker/broker/users.h"

using namespace tg::broker;
using Catch::Matchers::Contains;

namespace {

// Of the password "secret": by mosquitto_passwd 2.0.11, and in the form of those before 2.0.
const std::string kOfMosquitto =
    "$7$101$3kjAPVkpQuhbb0YY$6xjM8BgtlRRaeU1phxn3HB0d5RqFRUlClmGFpK0Bc8b+"
    "G075n0c5PvOrGNw56x5l2JfaYqrbYOn8vVnwuaM+lA==";
const std::string kOfMosquittoOld =
    "$6$c2FsdHNhbHRzYWx0$3aiBbchfIZo+1WYrkPzJjQxZ79F/NmwLQ+wF073kTd+6ANhaic8G/jWF/"
    "X4sqSFUKpLNdm1FZjBck6HQ8knM3A==";

std::string error_of(const std::string& text) {
  std::string pattern = std::filesystem::temp_directory_path() / "tidegate-users-XXXXXX";
  const int fd = ::mkstemp(pattern.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  std::ofstream(pattern) << text;
  const auto users = Users::load(pattern);
  std::filesystem::remove(pattern);
  return users ? "none, " + std::to_string((*users)->size()) : users.error().message;
}

}  // namespace

TEST_CASE("A password is right for its own hash only") {
  const std::string hash = hash_password("secret", 10);
  CHECK_THAT(hash, Catch::Matchers::StartsWith("$7$10$"));
  CHECK(is_right_password(hash, "secret"));
  CHECK_FALSE(is_right_password(hash, "Secret"));
  CHECK_FALSE(is_right_password(hash, ""));
  CHECK(hash != hash_password("secret", 10));
}

TEST_CASE("Hashes that mosquitto_passwd made are understood") {
  for (const auto& hash : {kOfMosquitto, kOfMosquittoOld}) {
    CHECK(is_password_hash(hash));
    CHECK(is_right_password(hash, "secret"));
    CHECK_FALSE(is_right_password(hash, "wrong"));
  }
}

TEST_CASE("What is no hash is right for nothing") {
  for (const char* wrong : {"", "secret", "$7$", "$7$10$c2FsdA==$c2hvcnQ=", "$7$0$c2FsdA==$",
                            "$7$99999999$c2FsdA==$", "$5$c2FsdA==$c2FsdA==", "$7$x$c2FsdA==$"}) {
    INFO(wrong);
    CHECK_FALSE(is_password_hash(wrong));
    CHECK_FALSE(is_right_password(wrong, ""));
  }
}

TEST_CASE("A file of users is read whole, and the error names the line") {
  const std::string hash = hash_password("secret", 1);
  CHECK(error_of("# users\n\na:" + hash + "\nb:" + hash + "\n") == "none, 2");
  CHECK_THAT(error_of("a:" + hash + "\nb\n"), Contains(":2: is not NAME:HASH"));
  CHECK_THAT(error_of("a:secret\n"), Contains(":1: the hash is neither"));
  CHECK_THAT(error_of("a:" + hash + "\na:" + hash + "\n"),
             Contains(":2: this user stands here twice"));
  const auto absent = Users::load("/nonexistent/users");
  REQUIRE_FALSE(absent);
  CHECK_THAT(absent.error().message, Contains("No such file"));
}
