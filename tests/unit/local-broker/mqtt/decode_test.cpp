#include "local-broker/mqtt/decode.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

using namespace std::string_literals;
using namespace std::string_view_literals;
using namespace tg::mqtt;

namespace {

constexpr std::size_t kMax = 1024;

Frame frame_of(std::string_view bytes) {
  Frame frame;
  Fault fault = Fault::kNone;
  REQUIRE(split_frame(bytes, kMax, frame, fault) == FrameState::kComplete);
  return frame;
}

// "MQTT", level 4, the flags, keep-alive 60, then the payload.
std::string connect_body(char flags, std::string_view payload, char level = 4) {
  return "\0\4MQTT"s + level + flags + "\0\x3C"s + std::string(payload);
}

Fault connect_fault(const std::string& body) {
  Connect connect;
  return decode_connect(body, connect);
}

Fault publish_fault(std::uint8_t flags, std::string_view body) {
  Publish publish;
  return decode_publish(Version::k311, flags, body, publish);
}

Fault subscribe_fault(std::string_view bytes, Version version = Version::k311) {
  FiltersHead head;
  std::vector<FilterRequest> filters;
  return decode_subscribe(version, frame_of(bytes), head, filters);
}

}  // namespace

TEST_CASE("A frame is partial until its last byte is there") {
  const auto bytes = "\x30\x05\0\1axy"sv;
  Frame frame;
  Fault fault = Fault::kNone;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    CHECK(split_frame(bytes.substr(0, i), kMax, frame, fault) == FrameState::kPartial);
  }
  REQUIRE(split_frame(std::string(bytes) + "more", kMax, frame, fault) == FrameState::kComplete);
  CHECK(frame.size == bytes.size());
  CHECK(frame.type == PacketType::kPublish);
}

TEST_CASE("The remaining length has at most four bytes") {
  Frame frame;
  Fault fault = Fault::kNone;
  CHECK(split_frame("\x30\xFF\xFF\xFF"sv, kMax, frame, fault) == FrameState::kPartial);
  CHECK(split_frame("\x30\x80\x80\x80\x80"sv, kMax, frame, fault) == FrameState::kMalformed);
  CHECK(fault == Fault::kLength);
}

TEST_CASE("A packet above the limit is refused as soon as its length is known") {
  Frame frame;
  Fault fault = Fault::kNone;
  CHECK(split_frame("\x30\xFF\x7F"sv, kMax, frame, fault) == FrameState::kMalformed);
  CHECK(fault == Fault::kTooLarge);
  const std::string largest = "\x30\xFD\x07"s + std::string(1021, 'x');
  CHECK(split_frame(largest, kMax, frame, fault) == FrameState::kComplete);
}

TEST_CASE("CONNECT yields all its fields") {
  Connect connect;
  const auto body =
      connect_body('\xEE', "\0\2id\0\4will\0\3bye\0\4user\0\4pass"sv);  // will QoS 1, retain
  REQUIRE(decode_connect(body, connect) == Fault::kNone);
  CHECK(connect.version == Version::k311);
  CHECK(connect.clean);
  CHECK(connect.keep_alive_s == 60);
  CHECK(connect.client_id == "id");
  CHECK(connect.has_will);
  CHECK(connect.will.topic == "will");
  CHECK(connect.will.payload == "bye");
  CHECK(connect.will.qos == 1);
  CHECK(connect.will.retain);
  CHECK(connect.username == "user");
  CHECK(connect.password == "pass");
}

TEST_CASE("MQIsdp level 3 is version 3.1") {
  Connect connect;
  REQUIRE(decode_connect("\0\6MQIsdp\3\2\0\0\0\1a"sv, connect) == Fault::kNone);
  CHECK(connect.version == Version::k31);
  CHECK(connect.client_id == "a");
}

TEST_CASE("A user name without a password is allowed at 3.1.1, a lone password is not") {
  CHECK(connect_fault(connect_body('\x82', "\0\1a\0\1u"sv)) == Fault::kNone);
  CHECK(connect_fault(connect_body('\x42', "\0\1a\0\1p"sv)) == Fault::kConnectFlags);
}

TEST_CASE("A version 5 CONNECT is understood with its properties") {
  Connect connect;
  const auto body = connect_body('\x06', "\5\x11\0\0\0\x0A\0\1a\0\0\1w\0\1p"sv, 5);
  REQUIRE(decode_connect(body, connect) == Fault::kNone);
  CHECK(connect.properties == "\x11\0\0\0\x0A"sv);
  CHECK(connect.will.topic == "w");
}

TEST_CASE("A malformed CONNECT is told apart by its fault") {
  CHECK(connect_fault("") == Fault::kTruncated);
  CHECK(connect_fault("\0\4MQ"s) == Fault::kTruncated);
  CHECK(connect_fault("\0\4mqtt\4\2\0\0\0\1a"s) == Fault::kProtocolName);
  CHECK(connect_fault("\0\4MQTT\6\2\0\0\0\1a"s) == Fault::kProtocolLevel);
  CHECK(connect_fault("\0\6MQIsdp\4\2\0\0\0\1a"s) == Fault::kProtocolLevel);
  CHECK(connect_fault(connect_body('\x03', "\0\1a"sv)) == Fault::kConnectFlags);  // reserved bit
  CHECK(connect_fault(connect_body('\x0A', "\0\1a"sv)) == Fault::kConnectFlags);  // QoS, no will
  CHECK(connect_fault(connect_body('\x22', "\0\1a"sv)) == Fault::kConnectFlags);  // retain, no will
  CHECK(connect_fault(connect_body('\x1E', "\0\1a\0\1w\0\1p"sv)) == Fault::kConnectFlags);  // QoS 3
  CHECK(connect_fault(connect_body('\x02', "\0\5a"sv)) == Fault::kTruncated);
  CHECK(connect_fault(connect_body('\x06', "\0\1a\0\1w"sv)) == Fault::kTruncated);
  CHECK(connect_fault(connect_body('\x02', "\0\1a?"sv)) == Fault::kTrailing);
  CHECK(connect_fault(connect_body('\x02', "\0\1\xFF"sv)) == Fault::kUtf8);
  CHECK(connect_fault(connect_body('\x82', "\0\1a\0\1\xC0"sv)) == Fault::kUtf8);
  CHECK(connect_fault(connect_body('\x06', "\0\1a\0\1#\0\1p"sv)) == Fault::kTopic);
}

TEST_CASE("PUBLISH yields its fields; its payload is the rest") {
  Publish publish;
  REQUIRE(decode_publish(Version::k311, 0x0D, "\0\3a/b\x12\x34payload"sv, publish) == Fault::kNone);
  CHECK(publish.topic == "a/b");
  CHECK(publish.packet_id == 0x1234);
  CHECK(publish.payload == "payload");
  CHECK(publish.qos == 2);
  CHECK(publish.retain);
  CHECK(publish.dup);
  REQUIRE(decode_publish(Version::k311, 0, "\0\1t"sv, publish) == Fault::kNone);
  CHECK(publish.payload.empty());
  CHECK(publish.packet_id == 0);
}

TEST_CASE("PUBLISH at version 5 has properties between id and payload") {
  Publish publish;
  REQUIRE(decode_publish(Version::k5, 2, "\0\1t\0\1\2\1\1x"sv, publish) == Fault::kNone);
  CHECK(publish.properties == "\1\1");
  CHECK(publish.payload == "x");
  CHECK(decode_publish(Version::k5, 0, "\0\1t\x0A\1"sv, publish) == Fault::kTruncated);
  CHECK(decode_publish(Version::k5, 0, "\0\1t\xFF\xFF\xFF\xFF\x7F"sv, publish) ==
        Fault::kTruncated);
}

TEST_CASE("A malformed PUBLISH is told apart by its fault") {
  CHECK(publish_fault(6, "\0\1t\0\1"sv) == Fault::kQos);
  CHECK(publish_fault(8, "\0\1t"sv) == Fault::kFlags);  // DUP at QoS 0
  CHECK(publish_fault(0, "\0\2t"sv) == Fault::kTruncated);
  CHECK(publish_fault(0, "\0"sv) == Fault::kTruncated);
  CHECK(publish_fault(2, "\0\1t\0"sv) == Fault::kTruncated);
  CHECK(publish_fault(2, "\0\1t\0\0"sv) == Fault::kPacketId);
}

TEST_CASE("Acknowledgements have an id, and PUBREL its flags") {
  Ack ack;
  CHECK(decode_ack(Version::k311, frame_of("\x40\2\0\7"sv), ack) == Fault::kNone);
  CHECK(ack.packet_id == 7);
  CHECK(decode_ack(Version::k311, frame_of("\x62\2\1\0"sv), ack) == Fault::kNone);
  CHECK(ack.packet_id == 256);
  CHECK(decode_ack(Version::k311, frame_of("\x60\2\0\7"sv), ack) == Fault::kFlags);
  CHECK(decode_ack(Version::k311, frame_of("\x42\2\0\7"sv), ack) == Fault::kFlags);
  CHECK(decode_ack(Version::k311, frame_of("\x40\2\0\0"sv), ack) == Fault::kPacketId);
  CHECK(decode_ack(Version::k311, frame_of("\x40\1\0"sv), ack) == Fault::kTruncated);
  CHECK(decode_ack(Version::k311, frame_of("\x40\3\0\7\0"sv), ack) == Fault::kTrailing);
  CHECK(decode_ack(Version::k5, frame_of("\x40\4\0\7\0\0"sv), ack) == Fault::kNone);
  CHECK(decode_ack(Version::k5, frame_of("\x40\3\0\7\x97"sv), ack) == Fault::kNone);
  CHECK(ack.reason == Reason::kQuotaExceeded);
  CHECK(decode_ack(Version::k5, frame_of("\x40\6\0\7\0\2\x24\1"sv), ack) == Fault::kProperty);
}

TEST_CASE("SUBSCRIBE yields its filters in order") {
  FiltersHead head;
  std::vector<FilterRequest> filters;
  REQUIRE(decode_subscribe(Version::k311, frame_of("\x82\x0A\0\1\0\1a\2\0\1#\0"sv), head,
                           filters) == Fault::kNone);
  REQUIRE(filters.size() == 2);
  CHECK(filters[0].filter == "a");
  CHECK(filters[0].options == 2);
  CHECK(filters[1].filter == "#");
}

TEST_CASE("A malformed SUBSCRIBE or UNSUBSCRIBE is told apart by its fault") {
  CHECK(subscribe_fault("\x80\6\0\1\0\1a\0"sv) == Fault::kFlags);
  CHECK(subscribe_fault("\x82\6\0\0\0\1a\0"sv) == Fault::kPacketId);
  CHECK(subscribe_fault("\x82\2\0\1"sv) == Fault::kNoFilters);
  CHECK(subscribe_fault("\x82\5\0\1\0\1a"sv) == Fault::kTruncated);
  CHECK(subscribe_fault("\x82\6\0\1\0\1a\3"sv) == Fault::kQos);
  CHECK(subscribe_fault("\x82\6\0\1\0\1a\4"sv) == Fault::kQos);
  CHECK(subscribe_fault("\x82\7\0\1\0\2a#\0"sv) == Fault::kFilter);
  CHECK(subscribe_fault("\x82\5\0\1\0\0\0"sv) == Fault::kFilter);
  CHECK(subscribe_fault("\x82\6\0\1\0\1\xFF\0"sv) == Fault::kUtf8);
  CHECK(subscribe_fault("\x82\7\0\1\0\0\1a\x04"sv, Version::k5) == Fault::kNone);
  CHECK(subscribe_fault("\x82\7\0\1\0\0\1a\x30"sv, Version::k5) == Fault::kPropertyValue);
  CHECK(subscribe_fault("\x82\x10\0\1\0\0\x0A$share/g/a\0"sv, Version::k5) == Fault::kNone);
  CHECK(subscribe_fault("\x82\x10\0\1\0\0\x0A$share/g/a\4"sv, Version::k5) ==
        Fault::kPropertyValue);
  CHECK(subscribe_fault("\x82\x0F\0\1\0\0\x09$share//a\0"sv, Version::k5) == Fault::kFilter);
  CHECK(subscribe_fault("\x82\x0F\0\1\0\0\x09$share/g/\0"sv, Version::k5) == Fault::kFilter);
  CHECK(subscribe_fault("\x82\x10\0\1\0\0\x0A$share/+/a\0"sv, Version::k5) == Fault::kFilter);
  FiltersHead head;
  std::vector<FilterRequest> filters;
  CHECK(decode_unsubscribe(Version::k311, frame_of("\xA2\2\0\1"sv), head, filters) ==
        Fault::kNoFilters);
  CHECK(decode_unsubscribe(Version::k311, frame_of("\xA2\5\0\1\0\1a"sv), head, filters) ==
        Fault::kNone);
}

TEST_CASE("PINGREQ and DISCONNECT carry nothing") {
  CHECK(decode_empty(frame_of("\xC0\0"sv)) == Fault::kNone);
  CHECK(decode_empty(frame_of("\xE1\0"sv)) == Fault::kFlags);
  CHECK(decode_empty(frame_of("\xE0\1x"sv)) == Fault::kTrailing);
}
