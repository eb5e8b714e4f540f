#include "local-broker/mqtt/encode.h"

#include <catch2/catch.hpp>
#include <string>

#include "local-broker/mqtt/decode.h"

using namespace std::string_literals;
using namespace std::string_view_literals;
using namespace tg::mqtt;

TEST_CASE("CONNACK says whether a session was present, but never with a refusal") {
  std::string out;
  append_connack(out, Version::k311, true, kAccepted);
  CHECK(out == "\x20\2\1\0"s);
  out.clear();
  append_connack(out, Version::k311, true, kCodeNotAuthorised);
  CHECK(out == "\x20\2\0\5"s);
  out.clear();
  append_connack(out, Version::k31, true, kAccepted);
  CHECK(out == "\x20\2\0\0"s);
  out.clear();
  append_connack(out, Version::k5, false, 0x84, "\x24\1"sv);
  CHECK(out == "\x20\5\0\x84\2\x24\1"s);
}

TEST_CASE("What PUBLISH is encoded to is decoded to the same") {
  for (const Version version : {Version::k311, Version::k5}) {
    for (std::uint8_t qos = 0; qos <= 2; ++qos) {
      for (const std::size_t size : {0U, 100U, 127U, 128U, 20'000U}) {
        CAPTURE(static_cast<int>(version), static_cast<int>(qos), size);
        const std::string payload(size, 'p');
        Publish publish;
        publish.topic = "a/b";
        publish.payload = payload;
        publish.qos = qos;
        publish.retain = true;
        publish.dup = qos > 0;
        publish.packet_id = qos > 0 ? 0xABCD : 0;
        if (version == Version::k5) publish.properties = "\1\1"sv;
        std::string out;
        const auto layout = append_publish(out, version, publish);
        Frame frame;
        Fault fault = Fault::kNone;
        REQUIRE(split_frame(out, 1 << 20, frame, fault) == FrameState::kComplete);
        CHECK(frame.size == out.size());
        CHECK(publish_size(version, publish) == out.size());
        Publish back;
        REQUIRE(decode_publish(version, frame.flags, frame.body, back) == Fault::kNone);
        CHECK(back.topic == publish.topic);
        CHECK(back.payload == publish.payload);
        CHECK(back.properties == publish.properties);
        CHECK(back.packet_id == publish.packet_id);
        CHECK(back.qos == qos);
        CHECK(back.retain);
        CHECK(back.dup == publish.dup);
        if (qos > 0) CHECK(out.substr(layout.packet_id_at, 2) == "\xAB\xCD");
      }
    }
  }
}

TEST_CASE("SUBACK has a code for each filter; UNSUBACK only at version 5") {
  std::string out;
  append_suback(out, Version::k311, 0x0102, {0, 2, kSubackFailure});
  CHECK(out == "\x90\5\1\2\0\2\x80"s);
  out.clear();
  append_unsuback(out, Version::k311, 7, {0, 0x11});
  CHECK(out == "\xB0\2\0\7"s);
  out.clear();
  append_unsuback(out, Version::k5, 7, {0, 0x11});
  CHECK(out == "\xB0\5\0\7\0\0\x11"s);
}

TEST_CASE("Properties come with their length, and DISCONNECT without any is one byte") {
  std::string out;
  append_disconnect(out, Reason::kServerShuttingDown);
  CHECK(out == "\xE0\1\x8B"s);
  out.clear();
  append_disconnect(out, Reason::kServerShuttingDown, "\x1F\0\2ab"sv);
  CHECK(out == "\xE0\7\x8B\5\x1F\0\2ab"s);
  out.clear();
  append_ack(out, PacketType::kPubrel, 0x0102, Reason::kPacketIdNotFound, "\x1F\0\1a"sv);
  CHECK(out == "\x62\x8\1\2\x92\4\x1F\0\1a"s);
  out.clear();
  append_suback(out, Version::k5, 7, {0x87}, "\x1F\0\1a"sv);
  CHECK(out == "\x90\x8\0\7\4\x1F\0\1a\x87"s);
}

TEST_CASE("Acknowledgements are four bytes, and PUBREL has its flag") {
  const auto puback = encode_ack(PacketType::kPuback, 0x0102);
  CHECK(std::string_view(puback.data(), 4) == "\x40\2\1\2"sv);
  const auto pubrel = encode_ack(PacketType::kPubrel, 1);
  CHECK(std::string_view(pubrel.data(), 4) == "\x62\2\0\1"sv);
  const auto refused = encode_ack(PacketType::kPubrec, 1, Reason::kNotAuthorised);
  CHECK(std::string_view(refused.data(), 5) == "\x50\3\0\1\x87"sv);
}
