#include "daemon/uplink/batch.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "daemon/base/bytes.h"

using namespace tg;
using namespace tg::uplink;
using Added = BatchBuilder::Added;

namespace {

const Envelope kEnvelope{"gw", "telemetry", "00ff00ff00ff00ff"};

store::Record record_of(std::string_view payload) {
  store::Record record;
  record.topic = "dt/a/t";
  record.publisher = "a";
  record.payload = payload;
  record.received = {1'700'000'000'123, 5, ClockQuality::kSynchronised};
  return record;
}

std::string gap_tail(Seq first, Seq last, std::string_view reason) {
  std::string value;
  put_varint(value, first);
  put_varint(value, last);
  put_str(value, reason);
  std::string tail;
  put_varint(tail, static_cast<std::uint64_t>(store::Tag::kGap));
  put_str(tail, value);
  return tail;
}

}  // namespace

TEST_CASE("json is one document with the key and its records") {
  BatchBuilder builder(Format::kJson, kEnvelope, {});
  REQUIRE(builder.add(41, record_of("{ \"v\": 1 }")) == Added::kYes);
  store::Record unsynced = record_of("on");
  unsynced.received.quality = ClockQuality::kUnsynchronised;
  REQUIRE(builder.add(42, unsynced) == Added::kYes);
  const Batch batch = builder.take();
  CHECK(batch.payload ==
        R"({"gateway":"gw","stream":"telemetry","epoch":"00ff00ff00ff00ff","first":41,"records":[)"
        R"({"seq":41,"topic":"dt/a/t","client":"a","time":1700000000123,"clock":"synced",)"
        R"("payload":{"v":1}},)"
        R"({"seq":42,"topic":"dt/a/t","client":"a","time":1700000000123,"clock":"unsynced",)"
        R"("payload":{"base64":"b24="}}]})");
  CHECK(batch.first == 41);
  CHECK(batch.end == 43);
  CHECK(batch.records == 2);
  CHECK(batch.time_ms == 1'700'000'000'123);
  CHECK(batch.content_type == "application/json");
  CHECK(builder.is_empty());
}

TEST_CASE("jsonl is one line a record with the key in each") {
  BatchBuilder builder(Format::kJsonl, kEnvelope, {});
  REQUIRE(builder.add(1, record_of("{\n\"v\":\n1}\n")) == Added::kYes);
  REQUIRE(builder.add(2, record_of("2")) == Added::kYes);
  const Batch batch = builder.take();
  std::istringstream lines(batch.payload);
  std::string line;
  int seq = 0;
  while (std::getline(lines, line)) {
    const auto json = nlohmann::json::parse(line);
    CHECK(json["gateway"] == "gw");
    CHECK(json["stream"] == "telemetry");
    CHECK(json["epoch"] == kEnvelope.epoch);
    CHECK(json["seq"] == ++seq);
  }
  CHECK(seq == 2);
  CHECK(batch.payload.back() == '\n');
}

TEST_CASE("a gap is a record of its own kind") {
  BatchBuilder json(Format::kJson, kEnvelope, {});
  REQUIRE(json.add_gap({41, 97, "max_size"}) == Added::kYes);
  REQUIRE(json.add(98, record_of("1")) == Added::kYes);
  const Batch batch = json.take();
  CHECK(batch.first == 41);
  CHECK(batch.end == 99);
  CHECK(batch.records == 1);
  const auto document = nlohmann::json::parse(batch.payload);
  CHECK(document["first"] == 41);
  CHECK(document["records"][0].dump() == R"({"gap":{"first":41,"last":97,"reason":"max_size"}})");

  BatchBuilder jsonl(Format::kJsonl, kEnvelope, {});
  REQUIRE(jsonl.add_gap({41, 97, "max_size"}) == Added::kYes);
  CHECK(jsonl.take().payload ==
        "{\"gateway\":\"gw\",\"stream\":\"telemetry\",\"epoch\":\"00ff00ff00ff00ff\","
        "\"gap\":{\"first\":41,\"last\":97,\"reason\":\"max_size\"}}\n");
}

TEST_CASE("a stored gap record is told as a gap") {
  const std::string tail = gap_tail(3, 9, "corrupt");
  store::Record record = record_of("");
  record.tail = tail;
  BatchBuilder builder(Format::kJson, kEnvelope, {});
  REQUIRE(builder.add(10, record) == Added::kYes);
  const Batch batch = builder.take();
  CHECK(batch.first == 10);
  CHECK(batch.records == 0);
  CHECK(nlohmann::json::parse(batch.payload)["records"][0]["gap"]["reason"] == "corrupt");
}

TEST_CASE("a malformed tail is no gap") {
  store::Record record = record_of("1");
  Gap gap;
  for (const std::string& tail : {std::string("\x07"), std::string("\x07\x02\x01"),
                                  std::string("\x07\x01\x80"), std::string(10, '\xFF')}) {
    record.tail = tail;
    CHECK_FALSE(read_gap(record, gap));
  }
}

TEST_CASE("a batch ends at max_records") {
  BatchBuilder builder(Format::kJson, kEnvelope, {3, 60 * 1024});
  for (Seq seq = 1; seq <= 3; ++seq) REQUIRE(builder.add(seq, record_of("1")) == Added::kYes);
  CHECK(builder.is_full());
  CHECK(builder.add(4, record_of("1")) == Added::kFull);
  CHECK(builder.take().records == 3);
}

TEST_CASE("a batch never exceeds max_bytes, to the byte") {
  const Format format = GENERATE(Format::kJson, Format::kJsonl);
  BatchBuilder unlimited(format, kEnvelope, {});
  REQUIRE(unlimited.add(41, record_of("12345")) == Added::kYes);
  REQUIRE(unlimited.add(42, record_of("12345")) == Added::kYes);
  const std::size_t size = unlimited.take().payload.size();

  BatchBuilder exact(format, kEnvelope, {500, size});
  REQUIRE(exact.add(41, record_of("12345")) == Added::kYes);
  REQUIRE(exact.add(42, record_of("12345")) == Added::kYes);
  CHECK(exact.take().payload.size() == size);

  BatchBuilder one_less(format, kEnvelope, {500, size - 1});
  REQUIRE(one_less.add(41, record_of("12345")) == Added::kYes);
  CHECK(one_less.add(42, record_of("12345")) == Added::kFull);
  CHECK(one_less.take().records == 1);
}

TEST_CASE("a record beyond max_bytes goes alone up to the largest payload") {
  const std::string big = '"' + std::string(100 * 1024, 'x') + '"';
  BatchBuilder builder(Format::kJson, kEnvelope, {500, 60 * 1024});
  REQUIRE(builder.add(1, record_of("1")) == Added::kYes);
  CHECK(builder.add(2, record_of(big)) == Added::kFull);
  CHECK(builder.take().end == 2);
  REQUIRE(builder.add(2, record_of(big)) == Added::kYes);
  CHECK(builder.add(3, record_of("1")) == Added::kFull);
  CHECK(builder.take().records == 1);
}

TEST_CASE("a record beyond the largest payload is too large, envelope included") {
  BatchBuilder probe(Format::kJson, kEnvelope, {});
  REQUIRE(probe.add(1, record_of("\"\"")) == Added::kYes);
  const std::size_t envelope = probe.take().payload.size();
  const std::string fits = '"' + std::string(kLargestPayload - envelope, 'x') + '"';
  const std::string one_more = '"' + std::string(kLargestPayload - envelope + 1, 'x') + '"';
  BatchBuilder builder(Format::kJson, kEnvelope, {});
  CHECK(builder.add(1, record_of(one_more)) == Added::kTooLarge);
  CHECK(builder.is_empty());
  REQUIRE(builder.add(1, record_of(fits)) == Added::kYes);
  CHECK(builder.take().payload.size() == kLargestPayload);
}

TEST_CASE("raw is the payload as it is, one record each, with its own properties") {
  std::string tail;
  put_varint(tail, static_cast<std::uint64_t>(store::Tag::kContentType));
  put_str(tail, "text/plain");
  std::string pair;
  put_str(pair, "unit");
  put_str(pair, "C");
  put_varint(tail, static_cast<std::uint64_t>(store::Tag::kUserProperty));
  put_str(tail, pair);
  store::Record record = record_of(std::string_view("\0\xFF 21", 5));
  record.tail = tail;
  BatchBuilder builder(Format::kRaw, kEnvelope, {});
  REQUIRE(builder.add(7, record) == Added::kYes);
  CHECK(builder.is_full());
  CHECK(builder.add(8, record) == Added::kFull);
  const Batch batch = builder.take();
  CHECK(batch.payload == record.payload);
  CHECK(batch.topic == "dt/a/t");
  CHECK(batch.first == 7);
  CHECK(batch.end == 8);
  CHECK(batch.content_type == "text/plain");
  REQUIRE(batch.user_properties.size() == 1);
  CHECK(batch.user_properties[0] == std::pair<std::string, std::string>("unit", "C"));
  CHECK(builder.add(8, record_of("")) == Added::kYes);
}

TEST_CASE("raw has the same largest payload") {
  BatchBuilder builder(Format::kRaw, kEnvelope, {});
  CHECK(builder.add(1, record_of(std::string(kLargestPayload + 1, 'x'))) == Added::kTooLarge);
  CHECK(builder.add(1, record_of(std::string(kLargestPayload, 'x'))) == Added::kYes);
}
