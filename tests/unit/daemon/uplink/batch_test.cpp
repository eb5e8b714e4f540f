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

constexpr std::size_t kLargest = PublishLimits{}.payload_bytes;
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
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {});
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
  CHECK(batch.received.wall_ms == 1'700'000'000'123);
  CHECK(batch.properties.content_type == "application/json");
  CHECK(builder.is_empty());
}

TEST_CASE("jsonl is one line a record with the key in each") {
  BatchBuilder builder(Format::kJsonl, Compression::kNone, kEnvelope, {});
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
  BatchBuilder json(Format::kJson, Compression::kNone, kEnvelope, {});
  REQUIRE(json.add_gap({41, 97, "max_size"}) == Added::kYes);
  REQUIRE(json.add(98, record_of("1")) == Added::kYes);
  const Batch batch = json.take();
  CHECK(batch.first == 41);
  CHECK(batch.end == 99);
  CHECK(batch.records == 1);
  const auto document = nlohmann::json::parse(batch.payload);
  CHECK(document["first"] == 41);
  CHECK(document["records"][0].dump() == R"({"gap":{"first":41,"last":97,"reason":"max_size"}})");

  BatchBuilder jsonl(Format::kJsonl, Compression::kNone, kEnvelope, {});
  REQUIRE(jsonl.add_gap({41, 97, "max_size"}) == Added::kYes);
  CHECK(jsonl.take().payload ==
        "{\"gateway\":\"gw\",\"stream\":\"telemetry\",\"epoch\":\"00ff00ff00ff00ff\","
        "\"gap\":{\"first\":41,\"last\":97,\"reason\":\"max_size\"}}\n");
}

TEST_CASE("a stored gap record is told as a gap") {
  const std::string tail = gap_tail(3, 9, "corrupt");
  store::Record record = record_of("");
  record.tail = tail;
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {});
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
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {3, 60 * 1024});
  for (Seq seq = 1; seq <= 3; ++seq) REQUIRE(builder.add(seq, record_of("1")) == Added::kYes);
  CHECK(builder.is_full());
  CHECK(builder.add(4, record_of("1")) == Added::kFull);
  CHECK(builder.take().records == 3);
}

TEST_CASE("a batch never exceeds max_bytes, to the byte") {
  const Format format = GENERATE(Format::kJson, Format::kJsonl);
  BatchBuilder unlimited(format, Compression::kNone, kEnvelope, {});
  REQUIRE(unlimited.add(41, record_of("12345")) == Added::kYes);
  REQUIRE(unlimited.add(42, record_of("12345")) == Added::kYes);
  const std::size_t size = unlimited.take().payload.size();

  BatchBuilder exact(format, Compression::kNone, kEnvelope, {500, size});
  REQUIRE(exact.add(41, record_of("12345")) == Added::kYes);
  REQUIRE(exact.add(42, record_of("12345")) == Added::kYes);
  CHECK(exact.take().payload.size() == size);

  BatchBuilder one_less(format, Compression::kNone, kEnvelope, {500, size - 1});
  REQUIRE(one_less.add(41, record_of("12345")) == Added::kYes);
  CHECK(one_less.add(42, record_of("12345")) == Added::kFull);
  CHECK(one_less.take().records == 1);
}

TEST_CASE("a record beyond max_bytes goes alone up to the largest payload") {
  const std::string big = '"' + std::string(100 * 1024, 'x') + '"';
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {500, 60 * 1024});
  REQUIRE(builder.add(1, record_of("1")) == Added::kYes);
  CHECK(builder.add(2, record_of(big)) == Added::kFull);
  CHECK(builder.take().end == 2);
  REQUIRE(builder.add(2, record_of(big)) == Added::kYes);
  CHECK(builder.add(3, record_of("1")) == Added::kFull);
  CHECK(builder.take().records == 1);
}

TEST_CASE("a record beyond the largest payload is too large, envelope included") {
  BatchBuilder probe(Format::kJson, Compression::kNone, kEnvelope, {});
  REQUIRE(probe.add(1, record_of("\"\"")) == Added::kYes);
  const std::size_t envelope = probe.take().payload.size();
  const std::string fits = '"' + std::string(kLargest - envelope, 'x') + '"';
  const std::string one_more = '"' + std::string(kLargest - envelope + 1, 'x') + '"';
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {});
  CHECK(builder.add(1, record_of(one_more)) == Added::kTooLarge);
  CHECK(builder.is_empty());
  REQUIRE(builder.add(1, record_of(fits)) == Added::kYes);
  CHECK(builder.take().payload.size() == kLargest);
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
  BatchBuilder builder(Format::kRaw, Compression::kNone, kEnvelope, {});
  REQUIRE(builder.add(7, record) == Added::kYes);
  CHECK(builder.is_full());
  CHECK(builder.add(8, record) == Added::kFull);
  const Batch batch = builder.take();
  CHECK(batch.payload == record.payload);
  CHECK(batch.topic == "dt/a/t");
  CHECK(batch.first == 7);
  CHECK(batch.end == 8);
  CHECK(batch.properties.content_type == "text/plain");
  REQUIRE(batch.properties.user.size() == 1);
  CHECK(batch.properties.user[0] == std::pair<std::string, std::string>("unit", "C"));
  CHECK(builder.add(8, record_of("")) == Added::kYes);
}

TEST_CASE("raw has the same largest payload") {
  BatchBuilder builder(Format::kRaw, Compression::kNone, kEnvelope, {});
  CHECK(builder.add(1, record_of(std::string(kLargest + 1, 'x'))) == Added::kTooLarge);
  CHECK(builder.add(1, record_of(std::string(kLargest, 'x'))) == Added::kYes);
}

TEST_CASE("cbor has the shape of json") {
  BatchBuilder builder(Format::kCbor, Compression::kNone, kEnvelope, {});
  REQUIRE(builder.add(41, record_of("{\"v\":[1,-2,2.5,null,true,\"x\"]}")) == Added::kYes);
  store::Record binary = record_of("on\xFF");
  binary.received.quality = ClockQuality::kUnsynchronised;
  REQUIRE(builder.add(42, binary) == Added::kYes);
  REQUIRE(builder.add_gap({43, 99, "max_size"}) == Added::kYes);
  const Batch batch = builder.take();
  CHECK(batch.properties.content_type == "application/cbor");
  CHECK(batch.end == 100);
  const auto document = nlohmann::json::from_cbor(batch.payload);
  CHECK(document["gateway"] == "gw");
  CHECK(document["stream"] == "telemetry");
  CHECK(document["epoch"] == kEnvelope.epoch);
  CHECK(document["first"] == 41);
  const auto& records = document["records"];
  REQUIRE(records.size() == 3);
  CHECK(records[0].dump() ==
        R"({"client":"a","clock":"synced","payload":{"v":[1,-2,2.5,null,true,"x"]},"seq":41,)"
        R"("time":1700000000123,"topic":"dt/a/t"})");
  CHECK(records[1]["clock"] == "unsynced");
  REQUIRE(records[1]["payload"].is_binary());
  const auto& bytes = records[1]["payload"].get_binary();
  CHECK(std::string(bytes.begin(), bytes.end()) == "on\xFF");
  CHECK(records[2].dump() == R"({"gap":{"first":43,"last":99,"reason":"max_size"}})");
}

TEST_CASE("cbor keeps to max_bytes, to the byte") {
  BatchBuilder unlimited(Format::kCbor, Compression::kNone, kEnvelope, {});
  REQUIRE(unlimited.add(41, record_of("12345")) == Added::kYes);
  REQUIRE(unlimited.add(42, record_of("12345")) == Added::kYes);
  const std::size_t size = unlimited.take().payload.size();
  for (const std::size_t less : {0, 1}) {
    BatchBuilder builder(Format::kCbor, Compression::kNone, kEnvelope, {500, size - less});
    REQUIRE(builder.add(41, record_of("12345")) == Added::kYes);
    CHECK(builder.add(42, record_of("12345")) == (less == 0 ? Added::kYes : Added::kFull));
    CHECK(builder.take().payload.size() <= size - less);
  }
}

TEST_CASE("a compressed batch is filled up to the limit on its compressed size and never past it") {
  const Compression compression = GENERATE(Compression::kZstd, Compression::kGzip);
  constexpr std::size_t kLimit = 10 * 1024;
  BatchBuilder builder(Format::kJson, compression, kEnvelope, {100'000, kLimit, 5 * 1024});
  Seq seq = 1;
  std::uint32_t noise = 1;
  std::size_t raw = 0;
  while (true) {
    noise = noise * 1664525 + 1013904223;
    const std::string payload = "{\"temperature\":" + std::to_string(noise % 1000) + '}';
    if (builder.add(seq, record_of(payload)) != Added::kYes) break;
    raw += payload.size();
    ++seq;
  }
  const Batch batch = builder.take();
  CHECK(batch.records == seq - 1);
  CHECK(batch.payload.size() <= kLimit);
  CHECK(batch.payload.size() > kLimit * 8 / 10);
  CHECK(raw > 2 * kLimit);
  CHECK(batch.metered == kLimit);
  CHECK(batch.metered_singly == (seq - 1) * 5 * 1024);
}

TEST_CASE("a record that only compression makes small enough is sent") {
  BatchBuilder builder(Format::kRaw, Compression::kZstd, kEnvelope, {});
  REQUIRE(builder.add(1, record_of(std::string(kLargest * 4, 'x'))) == Added::kYes);
  CHECK(builder.take().payload.size() < 5000);
  std::string noise(kLargest + 1000, ' ');
  std::uint64_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 6364136223846793005U + 1) >> 56);
  CHECK(builder.add(2, record_of(noise)) == Added::kTooLarge);
  CHECK(builder.is_empty());
  CHECK(builder.add(2, record_of(std::string(kLargestRaw + 1, 'x'))) == Added::kTooLarge);
}

TEST_CASE("max_bytes is lowered to whole metering units") {
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {10'000, 12'000, 5000});
  Seq seq = 1;
  while (builder.add(seq, record_of("\"0123456789\"")) == Added::kYes) ++seq;
  const Batch batch = builder.take();
  CHECK(batch.payload.size() <= 10'000);
  CHECK(batch.payload.size() > 9800);
  CHECK(batch.metered == 10'000);
}

TEST_CASE("what begins another metering unit can be left out") {
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {10'000, 60'000, 1000});
  Seq seq = 1;
  while (builder.unit_end() == 0) {
    REQUIRE(builder.add(seq, record_of("\"0123456789\"")) == Added::kYes);
    ++seq;
  }
  CHECK(builder.unit_end() == seq - 1);
  CHECK(builder.whole_units_end() == seq - 1);
  const Batch batch = builder.take_whole_units();
  CHECK(batch.end == seq - 1);
  CHECK(batch.records == seq - 2);
  CHECK(batch.metered == 1000);
  CHECK(batch.metered_singly == batch.records * 1000);
  const auto document = nlohmann::json::parse(batch.payload);
  CHECK(document["records"].size() == batch.records);
  CHECK(builder.is_empty());
  CHECK(builder.unit_end() == 0);
}

TEST_CASE("a last metering unit that is nearly full is sent with the others") {
  BatchBuilder builder(Format::kJson, Compression::kNone, kEnvelope, {10'000, 60'000, 1000});
  REQUIRE(builder.add(1, record_of('"' + std::string(700, 'x') + '"')) == Added::kYes);
  REQUIRE(builder.add(2, record_of('"' + std::string(700, 'x') + '"')) == Added::kYes);
  CHECK(builder.unit_end() == 2);
  CHECK(builder.whole_units_end() == 2);
  REQUIRE(builder.add(3, record_of('"' + std::string(70, 'x') + '"')) == Added::kYes);
  CHECK(builder.whole_units_end() == 0);
}

TEST_CASE("all that a publisher says at MQTT 5 is read from the tail") {
  std::string tail;
  store::append_tag(tail, store::Tag::kResponseTopic, "re/1");
  store::append_tag(tail, store::Tag::kCorrelationData, std::string_view("\0\1", 2));
  store::append_tag(tail, store::Tag::kPayloadFormat, "\1");
  std::string seconds;
  put_varint(seconds, 300);
  store::append_tag(tail, store::Tag::kMessageExpiry, seconds);
  store::Record record = record_of("1");
  record.tail = tail;
  const PublishProperties properties = read_properties(record);
  CHECK(properties.response_topic == "re/1");
  CHECK(properties.correlation_data == std::string("\0\1", 2));
  CHECK(properties.payload_format == std::uint8_t{1});
  CHECK(properties.expiry_s == 300U);
}
