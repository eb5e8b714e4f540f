#include "daemon/uplink/cbor.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

using namespace tg::uplink;
using nlohmann::json;

TEST_CASE("integers take their shortest form and come back") {
  for (const std::int64_t value :
       {std::int64_t{0}, std::int64_t{23}, std::int64_t{24}, std::int64_t{255}, std::int64_t{256},
        std::int64_t{65'536}, std::int64_t{4'294'967'296}, std::int64_t{-1}, std::int64_t{-24},
        std::int64_t{-25}, std::numeric_limits<std::int64_t>::min(),
        std::numeric_limits<std::int64_t>::max()}) {
    std::string out;
    append_cbor_integer(out, value);
    const auto wanted = json::to_cbor(json(value));
    CHECK(out == std::string(wanted.begin(), wanted.end()));
  }
}

TEST_CASE("text that is not UTF-8 becomes valid, bytes stay as they are") {
  std::string out;
  append_cbor_text(out, "a\xFF");
  CHECK(json::from_cbor(out) == "a\xEF\xBF\xBD");
  out.clear();
  append_cbor_bytes(out, "a\xFF");
  CHECK(out ==
        "\x42"
        "a\xFF");
}

TEST_CASE("a payload is its JSON value, or a byte string") {
  for (const char* text : {"1", "-7", "2.5", "true", "null", "\"x\"", "[]", "{\"a\":[1,{}]}"}) {
    std::string out;
    append_cbor_payload(out, text);
    CHECK(json::from_cbor(out) == json::parse(text));
  }
  for (const char* text : {"", "on", "{\"a\":}", "1 2"}) {
    std::string out;
    append_cbor_payload(out, text);
    CHECK(json::from_cbor(out).is_binary());
  }
  std::string out;
  append_cbor_payload(out, "123456789012345678901234567890");
  CHECK(json::from_cbor(out).is_number_float());
}
