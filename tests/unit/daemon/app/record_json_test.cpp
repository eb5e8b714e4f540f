#include "daemon/app/record_json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

using namespace tg;
using namespace tg::app;
using Catch::Matchers::Contains;

namespace {

constexpr Timestamp kNow{1'790'000'000'000, 5'000, ClockQuality::kSynchronised};

std::string problem_of(const std::string& line) {
  const auto parsed = parse_record(line, kNow);
  return parsed ? std::string("none") : parsed.error().message;
}

}  // namespace

TEST_CASE("an exact copy comes back as it was, whatever its bytes are") {
  const std::string payload("\x00\xff{\"a\": 1.0}\n", 13);
  std::string tail;
  store::append_tag(tail, store::Tag::kContentType, "text/plain");
  store::Record record;
  record.publisher = "press-7";
  record.topic = "dt/press-7/t";
  record.payload = payload;
  record.tail = tail;
  record.received = {1'700'000'000'123, 99, ClockQuality::kUnsynchronised};
  record.qos = 2;
  record.retain = true;
  const auto parsed = parse_record(exact_record_json(record, 17).dump(), kNow);
  REQUIRE(parsed);
  const store::Record copy = parsed->view();
  CHECK(copy.publisher == record.publisher);
  CHECK(copy.topic == record.topic);
  CHECK(copy.payload == payload);
  CHECK(copy.tail == tail);
  CHECK(copy.received.wall_ms == record.received.wall_ms);
  CHECK(copy.received.mono_ms == kNow.mono_ms);
  CHECK(copy.received.quality == ClockQuality::kUnsynchronised);
  CHECK(copy.qos == 2);
  CHECK(copy.retain);
}

TEST_CASE("a line by hand needs a topic and a payload, which may be JSON itself") {
  const auto parsed = parse_record(R"({"topic":"a/b","payload":{"t": 21}})", kNow);
  REQUIRE(parsed);
  CHECK(parsed->payload == R"({"t":21})");
  CHECK(parsed->received.wall_ms == kNow.wall_ms);
  CHECK(parsed->qos == 0);
  CHECK_FALSE(parsed->is_gap);
  CHECK(parse_record(R"({"gap":{"first":1,"last":2,"reason":"max_size"}})", kNow)->is_gap);
}

TEST_CASE("what is wrong with a line is said") {
  CHECK_THAT(problem_of("{\"topic\":\"a\",\"payl"), Contains("not a JSON object"));
  CHECK_THAT(problem_of("[]"), Contains("not a JSON object"));
  CHECK_THAT(problem_of(R"({"payload":1})"), Contains("\"topic\""));
  CHECK_THAT(problem_of(R"({"topic":"a/+","payload":1})"), Contains("\"topic\""));
  CHECK_THAT(problem_of(R"({"topic":"","payload":1})"), Contains("\"topic\""));
  CHECK_THAT(problem_of(R"({"topic":"a"})"), Contains("\"payload\" is missing"));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":{"base64":"Zg="}})"), Contains("base64"));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"time":-5})"), Contains("\"time\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"time":"now"})"), Contains("\"time\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"clock":"good"})"), Contains("\"clock\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"qos":3})"), Contains("\"qos\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"qos":4294967297})"), Contains("\"qos\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"retain":1})"), Contains("\"retain\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"publisher":[]})"), Contains("\"publisher\""));
  CHECK_THAT(problem_of(R"({"topic":"a","payload":1,"tail":"/w=="})"), Contains("\"tail\""));
}
