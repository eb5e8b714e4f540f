#include "daemon/store/record.h"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

Record sample() {
  Record record;
  record.publisher = "pump7";
  record.topic = "dt/pump7/temperature";
  record.payload = "21.5";
  record.received = {1'700'000'000'123, 4567, ClockQuality::kSynchronised};
  record.boot = 3;
  record.qos = 2;
  record.retain = true;
  return record;
}

}  // namespace

TEST_CASE("a record comes back as it was written") {
  std::string tail;
  append_tag(tail, Tag::kContentType, "application/json");
  append_tag(tail, static_cast<Tag>(9999), "from a later version");
  Record record = sample();
  record.tail = tail;
  std::string bytes;
  append_record(bytes, record);
  append_record(bytes, Record{});

  RecordCursor cursor(bytes);
  Record read;
  REQUIRE(cursor.next(read));
  CHECK(read.publisher == record.publisher);
  CHECK(read.topic == record.topic);
  CHECK(read.payload == record.payload);
  CHECK(read.tail == tail);
  CHECK(read.received.wall_ms == record.received.wall_ms);
  CHECK(read.received.mono_ms == record.received.mono_ms);
  CHECK(read.received.quality == ClockQuality::kSynchronised);
  CHECK(read.boot == 3);
  CHECK(read.qos == 2);
  CHECK(read.retain);
  REQUIRE(cursor.next(read));
  CHECK(read.topic.empty());
  CHECK(read.received.quality == ClockQuality::kUnsynchronised);
  CHECK_FALSE(cursor.next(read));
  CHECK_FALSE(cursor.failed());
}

TEST_CASE("the size bound holds") {
  Record record = sample();
  const std::string payload(70'000, 'x');
  record.payload = payload;
  std::string bytes;
  append_record(bytes, record);
  CHECK(bytes.size() <= record_size_bound(record));
}

TEST_CASE("a clock before 1970 is stored as 1970") {
  Record record = sample();
  record.received.wall_ms = -5;
  std::string bytes;
  append_record(bytes, record);
  Record read;
  RecordCursor cursor(bytes);
  REQUIRE(cursor.next(read));
  CHECK(read.received.wall_ms == 0);
}

TEST_CASE("a record with a number that does not fit is malformed") {
  const std::string rest("\0\0\0", 3);  // publisher, topic, payload
  for (const std::string& numbers :
       {std::string("\x80\x80\x80\x80\x10\0\0", 7),                          // boot
        std::string("\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\0", 12),     // mono_ms
        std::string("\0\0\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12)}) {  // wall_ms
    const std::string body = '\0' + numbers + rest;
    std::string bytes;
    put_str(bytes, body);
    RecordCursor cursor(bytes);
    Record read;
    CHECK_FALSE(cursor.next(read));
    CHECK(cursor.failed());
  }
}

TEST_CASE("a record that is cut anywhere fails and is not returned") {
  std::string bytes;
  append_record(bytes, sample());
  for (std::size_t length = 1; length < bytes.size(); ++length) {
    RecordCursor cursor(std::string_view(bytes).substr(0, length));
    Record read;
    CHECK_FALSE(cursor.next(read));
    CHECK(cursor.failed());
  }
}

TEST_CASE("random bytes never read outside and always end") {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 64, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    RecordCursor cursor(bytes);
    Record read;
    std::size_t count = 0;
    while (cursor.next(read)) ++count;
    CHECK(count <= bytes.size());
  }
}

TEST_CASE("a tail is walked tag by tag, and a malformed one ends the walk") {
  std::string tail;
  append_tag(tail, Tag::kContentType, "text/plain");
  append_tag(tail, static_cast<Tag>(9999), "from a later version");
  TagCursor cursor(tail);
  Tag tag{};
  std::string_view value;
  REQUIRE(cursor.next(tag, value));
  CHECK(tag == Tag::kContentType);
  CHECK(value == "text/plain");
  REQUIRE(cursor.next(tag, value));
  CHECK(value == "from a later version");
  CHECK_FALSE(cursor.next(tag, value));
  CHECK_FALSE(cursor.failed());
  TagCursor cut(std::string_view(tail).substr(0, 5));
  CHECK_FALSE(cut.next(tag, value));
  CHECK(cut.failed());
}

}  // namespace tg::store
