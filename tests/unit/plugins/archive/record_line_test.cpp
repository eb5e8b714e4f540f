#include "plugins/archive/record_line.h"

#include <catch2/catch.hpp>
#include <string>
#include <tidegate/plugin.hpp>

using archive::append_line;
using archive::base64;

namespace {

std::string line_of(std::string_view payload) {
  tidegate_record record{};
  record.seq = 41;
  record.time_ms = 1'700'000'000'123;
  record.synced = 1;
  record.qos = 1;
  record.publisher = tidegate::slice("a");
  record.topic = tidegate::slice("dt/a/t");
  record.payload = tidegate::slice(payload);
  std::string line;
  append_line(line, record);
  return line;
}

constexpr const char* kHead =
    R"({"seq":41,"time":1700000000123,"clock":"synced","client":"a","topic":"dt/a/t","qos":1,)"
    R"("retain":false,)";

}  // namespace

TEST_CASE("text stays text, to the byte") {
  CHECK(line_of("21.5") == std::string(kHead) + "\"payload\":\"21.5\"}\n");
  CHECK(line_of("{ \"v\": 1 }\n") == std::string(kHead) + R"("payload":"{ \"v\": 1 }\n"})" + '\n');
  CHECK(line_of("") == std::string(kHead) + "\"payload\":\"\"}\n");
  CHECK(line_of("hello ö") == std::string(kHead) + "\"payload\":\"hello ö\"}\n");
}

TEST_CASE("what is not UTF-8 is base64") {
  CHECK(line_of("\xff\xfe") == std::string(kHead) + "\"base64\":\"//4=\"}\n");
}

TEST_CASE("base64 pads as RFC 4648 says") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foo") == "Zm9v");
  CHECK(base64("foobar") == "Zm9vYmFy");
}
