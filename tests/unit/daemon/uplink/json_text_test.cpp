#include "daemon/uplink/json_text.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/base/bytes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

std::string payload(std::string_view text) {
  std::string out;
  append_payload(out, text);
  return out;
}

std::string as_base64(std::string_view text) { return "{\"base64\":\"" + base64(text) + "\"}"; }

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

TEST_CASE("a valid JSON payload is embedded as the value itself") {
  for (const char* text :
       {"{\"t\":21.5}", "[1,2,3]", "\"text\"", "21.5", "-0", "0", "1e-7", "true", "false", "null",
        "{}", "[]", "\"\\u00e9\\n\"", "\"\xC3\xA9\"", "{\"a\":{\"b\":[null]}}",
        "18446744073709551615", "-9223372036854775808"}) {
    CHECK(payload(text) == text);
  }
}

TEST_CASE("white space between the tokens goes, inside strings it stays") {
  CHECK(payload(" \r\n{ \"a b\" :\n\t[ 1 , \"x  y\" ] }\n") == "{\"a b\":[1,\"x  y\"]}");
  CHECK(payload("\n21\n") == "21");
}

TEST_CASE("numbers beyond 64 bits are still JSON, beyond a double they are not embedded") {
  const std::string big(40, '9');
  CHECK(payload(big) == big);
  CHECK(payload("{ \"n\": -" + big + " }") == "{\"n\":-" + big + "}");
  CHECK(payload("1e400") == as_base64("1e400"));
}

TEST_CASE("what is not one JSON text goes as base64") {
  using namespace std::string_literals;
  for (const std::string& text : {""s,
                                  " "s,
                                  "\n"s,
                                  "1 2"s,
                                  "{} {}"s,
                                  "NaN"s,
                                  "Infinity"s,
                                  "-"s,
                                  "01"s,
                                  "1."s,
                                  ".5"s,
                                  "+1"s,
                                  "tru"s,
                                  "nulll"s,
                                  "{"s,
                                  "}"s,
                                  "[1,]"s,
                                  "{\"a\":1,}"s,
                                  "{'a':1}"s,
                                  "{\"a\" 1}"s,
                                  "\"open"s,
                                  "\"\n\""s,
                                  "\"\\x\""s,
                                  "\"\\ud800\""s,
                                  "\xFF\xFE"s,
                                  "\"\xFF\""s,
                                  "\"\xC0\xAF\""s,
                                  "\xEF\xBB\xBF{}"s,
                                  "1\0"s,
                                  "\0"s,
                                  "{}//"s,
                                  "21.5 C"s}) {
    INFO(text);
    CHECK(payload(text) == as_base64(text));
  }
}

TEST_CASE("nesting has a limit") {
  const std::string allowed = std::string(1000, '[') + std::string(1000, ']');
  const std::string too_deep = std::string(5000, '[') + std::string(5000, ']');
  CHECK(payload(allowed) == allowed);
  CHECK(payload(too_deep) == as_base64(too_deep));
}

TEST_CASE("a payload leaves what is around it alone") {
  std::string out = "before";
  append_payload(out, "[ 1 ]");
  out += "after";
  CHECK(out == "before[1]after");
}

TEST_CASE("every payload size up to a few vectors is embedded whole") {
  for (std::size_t size = 0; size < 300; ++size) {
    const std::string text = '"' + std::string(size, 'x') + '"';
    REQUIRE(payload(text) == text);
    REQUIRE(payload(text + std::string(size % 7, ' ')) == text);
  }
}

TEST_CASE("strings are escaped") {
  CHECK(json_string("dt/a/t") == "\"dt/a/t\"");
  CHECK(json_string("a\"b\\c\n\r\t\x01") == "\"a\\\"b\\\\c\\n\\r\\t\\u0001\"");
  CHECK(json_string("gr\xC3\xBC\xC3\x9F") == "\"gr\xC3\xBC\xC3\x9F\"");
  CHECK(json_string("a\xFF") == "\"a\xEF\xBF\xBD\"");
  for (int c = 0; c < 256; ++c) {
    const std::string text(1, static_cast<char>(c));
    REQUIRE(nlohmann::json::accept(json_string(text)));
  }
}
