#include "tests/sim/outbox.h"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace tg::sim;

namespace {

const Track kAtLeastOnce{4, 0, "dt/a/temperature", 1, Kind::kTemperature};
const Track kExactlyOnce{7, 0, "dt/a/alarm/high", 2, Kind::kAlarm};

// What the outbox sends, a word a packet: "publish 1", "publish 1 dup", "pubrel 1".
struct Fixture {
  void push(const Track& track) { outbox.push(track, ++made, "x"); }
  std::optional<Answered> answer(wire::Type type, std::uint16_t id) {
    std::string body{static_cast<char>(id >> 8), static_cast<char>(id & 0xFF)};
    return outbox.take({type, 0, body}, out);
  }
  std::vector<std::string> sent() {
    outbox.send(out);
    wire::Framer framer;
    framer.feed(out);
    std::vector<std::string> words;
    while (const auto packet = framer.next()) {
      if (packet->type == wire::Type::kPubRel) {
        words.push_back("pubrel " + std::to_string(*wire::parse_packet_id(*packet)));
        continue;
      }
      const auto publish = wire::parse_publish(*packet);
      REQUIRE(publish);
      words.push_back("publish " + std::to_string(publish->packet_id) +
                      (publish->dup ? " dup" : ""));
    }
    out.clear();
    return words;
  }
  std::vector<std::string> sent_again() {
    out.clear();
    outbox.send_again(out);
    return sent();
  }

  Outbox outbox;
  std::string out;
  std::uint64_t made = 0;
};

using Words = std::vector<std::string>;

}  // namespace

TEST_CASE("a QoS 1 message is the gateway's, and done, at PUBACK") {
  Fixture f;
  f.push(kAtLeastOnce);
  CHECK(f.sent() == Words{"publish 1"});
  const auto answered = f.answer(wire::Type::kPubAck, 1);
  REQUIRE(answered);
  CHECK(answered->track == 4);
  CHECK(answered->n == 1);
  CHECK(answered->is_owned);
  CHECK(answered->is_done);
  CHECK(f.sent_again().empty());
}

TEST_CASE("a QoS 2 message is the gateway's at PUBREC and done at PUBCOMP") {
  Fixture f;
  f.push(kExactlyOnce);
  CHECK(f.sent() == Words{"publish 1"});
  const auto received = f.answer(wire::Type::kPubRec, 1);
  REQUIRE(received);
  CHECK(received->is_owned);
  CHECK_FALSE(received->is_done);
  CHECK(f.sent() == Words{"pubrel 1"});
  const auto complete = f.answer(wire::Type::kPubComp, 1);
  REQUIRE(complete);
  CHECK_FALSE(complete->is_owned);
  CHECK(complete->is_done);
  CHECK(f.sent_again().empty());
}

TEST_CASE("a new connection goes on where the old one broke, in order") {
  Fixture f;
  for (int i = 0; i < 2; ++i) {
    f.push(kAtLeastOnce);
    f.push(kExactlyOnce);
  }
  CHECK(f.sent().size() == 4);
  f.answer(wire::Type::kPubRec, 2);
  f.answer(wire::Type::kPubAck, 3);
  CHECK(f.sent_again() == Words{"publish 1 dup", "pubrel 2", "publish 4 dup"});
  CHECK(f.sent_again() == Words{"publish 1 dup", "pubrel 2", "publish 4 dup"});
}

TEST_CASE("what has not been sent before the connection broke is sent without DUP") {
  Fixture f;
  f.push(kExactlyOnce);
  CHECK(f.sent_again() == Words{"publish 1"});
}

TEST_CASE("an answer that no message awaits is refused") {
  Fixture f;
  f.push(kAtLeastOnce);
  f.push(kExactlyOnce);
  CHECK_FALSE(f.answer(wire::Type::kPubAck, 1));  // not sent yet
  f.sent();
  CHECK_FALSE(f.answer(wire::Type::kPubRec, 1));
  CHECK_FALSE(f.answer(wire::Type::kPubAck, 2));
  CHECK_FALSE(f.answer(wire::Type::kPubComp, 2));
  CHECK_FALSE(f.answer(wire::Type::kPubAck, 3));
  CHECK(f.answer(wire::Type::kPubRec, 2));
  CHECK_FALSE(f.answer(wire::Type::kPubRec, 2));
  CHECK(f.answer(wire::Type::kPubComp, 2));
  CHECK_FALSE(f.answer(wire::Type::kPubComp, 2));
}

TEST_CASE("a message that is not complete takes its place in the window") {
  Fixture f;
  for (std::size_t i = 0; i <= Outbox::kWindow; ++i) f.push(kExactlyOnce);
  CHECK(f.sent().size() == Outbox::kWindow);
  f.answer(wire::Type::kPubRec, 1);
  CHECK(f.sent() == Words{"pubrel 1"});
  f.answer(wire::Type::kPubComp, 1);
  CHECK(f.sent() == Words{"publish " + std::to_string(Outbox::kWindow + 1)});
}

TEST_CASE("an outbox has its limit, and packet ids begin anew") {
  Fixture f;
  while (f.outbox.has_room()) f.push(kAtLeastOnce);
  CHECK(f.made == Outbox::kMax);
  for (std::uint32_t i = 0; i < Outbox::kMaxPacketId; ++i) {
    f.sent();
    REQUIRE(f.answer(wire::Type::kPubAck, static_cast<std::uint16_t>(i + 1)));
    f.push(kAtLeastOnce);
  }
  f.sent();
  CHECK(f.answer(wire::Type::kPubAck, 1));
}
