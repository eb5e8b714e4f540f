#include "local-broker/mqtt/utf8.h"

#include <catch2/catch.hpp>
#include <string>

using tg::mqtt::is_valid_utf8;

TEST_CASE("Well-formed UTF-8 of every length is valid") {
  CHECK(is_valid_utf8(""));
  CHECK(is_valid_utf8("plain ascii that is longer than eight bytes"));
  CHECK(is_valid_utf8("\xC2\x80"));
  CHECK(is_valid_utf8("12345678\xE2\x82\xAC 9"));
  CHECK(is_valid_utf8("\xED\x9F\xBF\xEE\x80\x80"));
  CHECK(is_valid_utf8("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
  CHECK(is_valid_utf8("\x01\x1F\x7F"));
}

TEST_CASE("U+0000 is refused wherever it stands [MQTT-1.5.3-2]") {
  using namespace std::string_view_literals;
  CHECK_FALSE(is_valid_utf8("\0"sv));
  CHECK_FALSE(is_valid_utf8("1234567\0"sv));
  CHECK_FALSE(is_valid_utf8("12345678\0ab"sv));
}

TEST_CASE("Surrogates are refused [MQTT-1.5.3-1]") {
  CHECK_FALSE(is_valid_utf8("\xED\xA0\x80"));
  CHECK_FALSE(is_valid_utf8("\xED\xBF\xBF"));
}

TEST_CASE("Ill-formed sequences are refused") {
  for (const char* text : {"\x80", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x80\x80",
                           "\xE2\x82", "\xE2\x41\xAC", "\xF0\x80\x80\x80", "\xF0\x90\x80",
                           "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFE", "\xFF"}) {
    CAPTURE(text);
    CHECK_FALSE(is_valid_utf8(text));
    CHECK_FALSE(is_valid_utf8("12345678" + std::string(text)));
  }
}
