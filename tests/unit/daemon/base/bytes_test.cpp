#include "daemon/base/bytes.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <string>

TEST_CASE("integers and strings come back as they were written") {
  std::string out;
  tg::put_u8(out, 0xfe);
  tg::put_u32(out, 0xdeadbeef);
  tg::put_u64(out, 0x0123456789abcdef);
  tg::put_str(out, "topic");
  tg::put_str(out, "");

  tg::ByteReader reader(out);
  CHECK(reader.u8() == 0xfe);
  CHECK(reader.u32() == 0xdeadbeef);
  CHECK(reader.u64() == 0x0123456789abcdef);
  CHECK(reader.str() == "topic");
  CHECK(reader.str().empty());
  CHECK(reader.remaining() == 0);
  CHECK_FALSE(reader.failed());
}

TEST_CASE("integers lie little-endian") {
  std::string out;
  tg::put_u32(out, 0x01020304);
  CHECK(out == std::string("\x04\x03\x02\x01", 4));
}

TEST_CASE("varints come back at every length and say their size") {
  for (unsigned shift = 0; shift < 64; ++shift) {
    for (const std::uint64_t value : {std::uint64_t{1} << shift, (std::uint64_t{1} << shift) - 1}) {
      std::string out;
      tg::put_varint(out, value);
      CHECK(out.size() == tg::varint_size(value));
      CHECK(tg::ByteReader(out).varint() == value);
    }
  }
  std::string out;
  tg::put_varint(out, std::numeric_limits<std::uint64_t>::max());
  CHECK(out.size() == 10);
  CHECK(tg::ByteReader(out).varint() == std::numeric_limits<std::uint64_t>::max());
}

TEST_CASE("a varint of more than 64 bits or without an end fails") {
  CHECK([] {
    tg::ByteReader reader(std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10));
    reader.varint();
    return reader.failed();
  }());
  CHECK([] {
    tg::ByteReader reader(std::string_view("\x80\x80", 2));
    reader.varint();
    return reader.failed();
  }());
}

TEST_CASE("reading past the end fails, yields zeros and stays failed") {
  tg::ByteReader reader("abc");
  CHECK(reader.u32() == 0);
  CHECK(reader.failed());
  CHECK(reader.u8() == 0);
  CHECK(reader.take(0).empty());
  CHECK(reader.failed());
}

TEST_CASE("a string longer than what is left fails instead of reading on") {
  std::string out;
  tg::put_varint(out, 1000);
  out += "short";
  tg::ByteReader reader(out);
  CHECK(reader.str().empty());
  CHECK(reader.failed());
}

TEST_CASE("crc32c is Castagnoli's and can be continued") {
  CHECK(tg::crc32c("123456789") == 0xE3069283);
  CHECK(tg::crc32c("") == 0);
  CHECK(tg::crc32c("6789", tg::crc32c("12345")) == tg::crc32c("123456789"));
}

TEST_CASE("base64 pads as RFC 4648 says") {
  CHECK(tg::base64("").empty());
  CHECK(tg::base64("f") == "Zg==");
  CHECK(tg::base64("fo") == "Zm8=");
  CHECK(tg::base64("foo") == "Zm9v");
  CHECK(tg::base64("foobar") == "Zm9vYmFy");
  CHECK(tg::base64(std::string_view("\xff\x00\xfe", 3)) == "/wD+");
}

TEST_CASE("base64 that is not well-formed is nothing") {
  for (const std::string text : {"", "f", "fo", "foo", "foob"}) {
    CHECK(tg::from_base64(tg::base64(text)) == text);
  }
  for (const char* text :
       {"Zg=", "Zg", "Z===", "Zh==", "Zm9", "Zm9v\n", "Zm 9", "=Zg=", "Zg==Zg=="}) {
    CHECK_FALSE(tg::from_base64(text));
  }
}
