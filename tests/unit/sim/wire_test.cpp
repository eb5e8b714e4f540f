#include "tests/sim/wire.h"

#include <catch2/catch.hpp>

#include <string>

namespace wire = tg::sim::wire;

TEST_CASE("CONNECT is written as the standard shows it") {
  std::string out;
  wire::put_connect(out, "d1", 30, false);
  CHECK(out == std::string("\x10\x0E\x00\x04MQTT\x04\x00\x00\x1E\x00\x02"
                           "d1",
                           16));
}

TEST_CASE("a publish that is written is read back whole") {
  std::string out;
  const std::string payload(300, 'x');
  wire::put_publish(out, {"dt/a/t", payload, 1, true, 513});
  wire::Framer framer;
  framer.feed(out);
  const auto packet = framer.next();
  REQUIRE(packet);
  const auto publish = wire::parse_publish(*packet);
  REQUIRE(publish);
  CHECK(publish->topic == "dt/a/t");
  CHECK(publish->payload == payload);
  CHECK(publish->qos == 1);
  CHECK(publish->dup);
  CHECK(publish->packet_id == 513);
  CHECK_FALSE(framer.next());
}

TEST_CASE("a PUBREL has the flags that the standard demands") {
  std::string out;
  wire::put_answer(out, wire::Type::kPubRec, 513);
  wire::put_answer(out, wire::Type::kPubRel, 513);
  CHECK(out == std::string("\x50\x02\x02\x01\x62\x02\x02\x01", 8));
}

TEST_CASE("packets are found however the bytes are cut") {
  std::string out;
  wire::put_publish(out, {"a", std::string(200, 'y'), 0, false, 0});
  wire::put_answer(out, wire::Type::kPubAck, 7);
  wire::put_pingreq(out);
  wire::Framer framer;
  int found = 0;
  for (const char c : out) {
    framer.feed({&c, 1});
    while (framer.next()) ++found;
  }
  CHECK(found == 3);
  CHECK_FALSE(framer.malformed());
}

TEST_CASE("a length of more than four bytes is malformed") {
  wire::Framer framer;
  framer.feed("\x30\xFF\xFF\xFF\xFF\x01");
  CHECK_FALSE(framer.next());
  CHECK(framer.malformed());
}

TEST_CASE("short bodies are refused") {
  CHECK_FALSE(wire::parse_connack({wire::Type::kConnAck, 0, "x"}));
  CHECK_FALSE(wire::parse_packet_id({wire::Type::kPubAck, 0, "x"}));
  CHECK_FALSE(wire::parse_publish({wire::Type::kPublish, 2, std::string_view("\0\1a\0", 4)}));
  CHECK_FALSE(wire::parse_publish({wire::Type::kPublish, 0, std::string_view("\0\5a", 3)}));
  CHECK_FALSE(wire::parse_publish({wire::Type::kPublish, 6, std::string_view("\0\1a\0\1", 5)}));
  CHECK_FALSE(wire::suback_accepted({wire::Type::kSubAck, 0, std::string_view("\0\1", 2)}));
}

TEST_CASE("one refused filter of a SUBACK is seen") {
  CHECK(wire::suback_accepted({wire::Type::kSubAck, 0, std::string_view("\0\1\1\0", 4)}));
  CHECK_FALSE(wire::suback_accepted({wire::Type::kSubAck, 0, std::string_view("\0\1\1\x80", 4)}));
}

TEST_CASE("filters match as the standard says") {
  CHECK(wire::matches("dt/+/alarm/#", "dt/a/alarm/high"));
  CHECK(wire::matches("dt/+/alarm/#", "dt/a/alarm"));
  CHECK(wire::matches("dt/a", "dt/a"));
  CHECK(wire::matches("dt/+", "dt/"));
  CHECK_FALSE(wire::matches("dt/+", "dt"));
  CHECK_FALSE(wire::matches("dt/+", "dt/a/b"));
  CHECK_FALSE(wire::matches("dt/a/b", "dt/a"));
  CHECK_FALSE(wire::matches("dt/+/alarm/#", "dt/a/alarms"));
}
