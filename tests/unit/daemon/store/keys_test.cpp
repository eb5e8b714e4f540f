#include "daemon/store/keys.h"

#include <catch2/catch.hpp>

namespace tg::store {

TEST_CASE("keys are read as hex, as base64 and as 32 raw bytes") {
  const std::string hex = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F";
  const std::string base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
  std::string raw;
  for (char c = 0; c < 32; ++c) raw += c;
  for (const auto& text : {hex, hex + "\n", base64 + "\r\n", raw, "# the key\n\n  " + hex}) {
    const auto keys = parse_keys(text);
    REQUIRE(keys);
    REQUIRE(keys->size() == 1);
    CHECK(keys->front().bytes[31] == 31);
    CHECK(keys->front().id == parse_keys(hex)->front().id);
  }
  const auto two = parse_keys(std::string(64, '1') + "\n" + hex + "\n");
  REQUIRE(two);
  REQUIRE(two->size() == 2);
  CHECK(two->at(1).bytes[1] == 1);
  CHECK(find_key(*two, two->at(1).id) == &two->at(1));
  CHECK(find_key(*two, two->at(0).id ^ two->at(1).id) == nullptr);
}

TEST_CASE("what is no key is refused by its line, without its content") {
  for (const auto* text : {"", "\n\n", "# only a comment\n"}) CHECK_FALSE(parse_keys(text));
  const auto refused = parse_keys(std::string(64, 'a') + "\nsecret\n");
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Matchers::Contains("line 2"));
  CHECK(refused.error().message.find("secret") == std::string::npos);
  CHECK_FALSE(parse_keys(std::string(63, 'a')));
  CHECK_FALSE(parse_keys(std::string(64, 'g')));
}

}  // namespace tg::store
