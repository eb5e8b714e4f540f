#include "daemon/store/segment_codec.h"

#include <catch2/catch.hpp>
#include <random>

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

const std::string kKeyText(64, 'a');
const std::string kOtherText(64, 'b');
const SegmentHead kHead{7, 1000, 3};

std::vector<Key> keys(const std::string& text) {
  auto parsed = parse_keys(text);
  REQUIRE(parsed);
  return *parsed;
}

std::string telemetry(std::size_t size) {
  std::string text;
  for (int i = 0; text.size() < size; ++i) {
    text += R"({"temperature":21.)" + std::to_string(i % 100) + R"(,"unit":"C"})";
  }
  return text;
}

}  // namespace

TEST_CASE("what was encoded is decoded: plain, compressed, encrypted, both") {
  for (const bool compress : {false, true}) {
    for (const bool encrypt : {false, true}) {
      SegmentCodec codec(encrypt ? keys(kKeyText) : std::vector<Key>{});
      for (const std::size_t size :
           {std::size_t{0}, std::size_t{1}, std::size_t{300}, std::size_t{70'000}}) {
        const std::string records = telemetry(size);
        const auto encoded = codec.encode(records, compress, kHead);
        REQUIRE(encoded);
        const std::string data(encoded->data);
        CHECK((data == records) == (encoded->codec == 0));
        const auto decoded = codec.decode(encoded->codec, encoded->crc, data, kHead);
        REQUIRE(decoded);
        CHECK(*decoded == records);
        if (compress && size > 1000) CHECK(data.size() < records.size() / 3);
        if (encrypt && size > 300) CHECK(data.find("temperature") == std::string::npos);
      }
    }
  }
}

TEST_CASE("bytes that do not compress are kept as they are") {
  SegmentCodec codec({});
  std::mt19937 random(3);
  std::string records(1000, '\0');
  for (auto& c : records) c = static_cast<char>(random());
  const auto encoded = codec.encode(records, true, kHead);
  REQUIRE(encoded);
  CHECK(encoded->codec == 0);
  CHECK(encoded->data == records);
}

TEST_CASE(
    "any damaged byte is found, by the checksum or, were that right, by the tag or the frame") {
  for (const bool encrypt : {false, true}) {
    SegmentCodec codec(encrypt ? keys(kKeyText) : std::vector<Key>{});
    const std::string records = telemetry(2000);
    const auto encoded = codec.encode(records, true, kHead);
    REQUIRE(encoded);
    const std::uint64_t number = encoded->codec;
    const std::string data(encoded->data);
    for (std::size_t at = 0; at < data.size(); at += 7) {
      std::string damaged = data;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      CHECK_FALSE(codec.decode(number, encoded->crc, damaged, kHead));
      const auto decoded = codec.decode(number, crc32c(damaged), damaged, kHead);
      if (encrypt) CHECK_FALSE(decoded);
    }
    CHECK_FALSE(codec.decode(number, crc32c(data.substr(0, 10)), data.substr(0, 10), kHead));
    CHECK_FALSE(codec.decode(number, crc32c(""), "", kHead));
  }
}

TEST_CASE("an encrypted segment is bound to its row") {
  SegmentCodec codec(keys(kKeyText));
  const auto encoded = codec.encode(telemetry(1000), false, kHead);
  REQUIRE(encoded);
  const std::string data(encoded->data);
  const auto try_head = [&](SegmentHead head) {
    return codec.decode(encoded->codec, encoded->crc, data, head).has_value();
  };
  CHECK(try_head(kHead));
  CHECK_FALSE(try_head({8, 1000, 3}));
  CHECK_FALSE(try_head({7, 1001, 3}));
  CHECK_FALSE(try_head({7, 1000, 4}));
}

TEST_CASE("the same records never become the same bytes twice") {
  SegmentCodec codec(keys(kKeyText));
  const std::string first(codec.encode("records", false, kHead)->data);
  CHECK(first != codec.encode("records", false, kHead)->data);
}

TEST_CASE("an old key below the new one still decrypts; without it the error names the key") {
  SegmentCodec old_codec(keys(kOtherText));
  const auto encoded = old_codec.encode("records", false, kHead);
  REQUIRE(encoded);
  const std::string data(encoded->data);
  SegmentCodec both(keys(kKeyText + "\n" + kOtherText));
  CHECK(both.decode(encoded->codec, encoded->crc, data, kHead) == "records");
  CHECK(key_of_codec(both.encode("x", false, kHead)->codec) == keys(kKeyText)[0].id);
  SegmentCodec without(keys(kKeyText));
  const auto refused = without.decode(encoded->codec, encoded->crc, data, kHead);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kInvalid);
}

}  // namespace tg::store
