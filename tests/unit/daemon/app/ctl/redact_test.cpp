#include "daemon/app/ctl/redact.h"

#include <catch2/catch.hpp>

namespace tg::ctl {

TEST_CASE("values behind the name of a secret are hidden, whatever the notation") {
  for (const char* text :
       {"password=hush1", "password: hush1", "\"db_password\": \"hu\\\"sh1\", \"x\": 1",
        "api-key = hush1;", "{token:hush1}", "client_secret='hush1 hush1'",
        "Authorization: Bearer hush1", "curl -H 'Authorization: Bearer hush1'",
        "authorization=Basic hush1", "AUTHORIZATION: bearer hush1", "seen: bearer hush1",
        "PASSWORD=hush1"}) {
    INFO(text);
    const auto out = redacted(text);
    INFO(out);
    CHECK(out.find("sh1") == std::string::npos);
    CHECK(out.find("****") != std::string::npos);
  }
}

TEST_CASE("a private key goes whole, certificates stay") {
  const std::string text =
      "a\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
      "-----BEGIN EC PRIVATE KEY-----\nhush\nhush\n-----END EC PRIVATE KEY-----\nz\n"
      "-----BEGIN PRIVATE KEY-----\nhush, cut short";
  const auto out = redacted(text);
  CHECK(out.find("hush") == std::string::npos);
  CHECK(out.find("AAAA") != std::string::npos);
  CHECK(out.find("\nz\n") != std::string::npos);
}

TEST_CASE("credentials inside URLs are hidden, each of them") {
  const auto out = redacted("from http://u:hush@a:1/x to mqtts://v:hush@b and https://c/d@e");
  CHECK(out == "from http://****@a:1/x to mqtts://****@b and https://c/d@e");
}

TEST_CASE("what tells no secret is left as it is") {
  for (const char* text : {"topic dt/a/t, 5 tokens", "keyword=5", "a=b c:d",
                           "uplink connected: mqtts://host:8883", "", "\n\n", "Basically fine"}) {
    INFO(text);
    CHECK(redacted(text) == text);
  }
}

}  // namespace tg::ctl
