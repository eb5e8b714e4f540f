#include "local-broker/broker/ack_queue.h"

#include <catch2/catch.hpp>
#include <string>

using tg::broker::AckQueue;
using tg::mqtt::PacketType;
using tg::mqtt::Reason;

namespace {

constexpr auto kPuback = PacketType::kPuback;
constexpr auto kPubrec = PacketType::kPubrec;

std::string drained(AckQueue& acks) {
  std::string out;
  acks.drain([&out](PacketType, std::uint16_t id, Reason) { out += std::to_string(id) + " "; });
  return out;
}

}  // namespace

TEST_CASE("What is done waits behind what is pending") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  acks.push_done(kPuback, 2);
  acks.push_pending(12, kPubrec, 3);
  CHECK(drained(acks).empty());
  CHECK(acks.complete(12));
  CHECK(drained(acks).empty());
  CHECK(acks.complete(10));
  CHECK(drained(acks) == "1 2 3 ");
  CHECK(acks.empty());
}

TEST_CASE("An unknown serial completes nothing") {
  AckQueue acks;
  CHECK_FALSE(acks.complete(1));
  acks.push_pending(10, kPuback, 1);
  CHECK_FALSE(acks.complete(9));
  CHECK_FALSE(acks.complete(11));
}

TEST_CASE("A publish sent again on the same connection is answered once") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  CHECK(acks.join(kPuback, 1, 11));
  CHECK_FALSE(acks.join(kPuback, 2, 12));
  acks.complete(10);
  CHECK(drained(acks) == "1 ");
}

TEST_CASE("After a reconnect a resent publish joins, at its new place") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  acks.push_pending(11, kPuback, 2);
  acks.detach();
  CHECK(acks.empty());
  CHECK(acks.join(kPuback, 2, 20));
  CHECK(acks.join(kPuback, 1, 21));
  CHECK(acks.complete(10));
  CHECK(drained(acks).empty());
  CHECK(acks.complete(11));
  CHECK(drained(acks) == "2 1 ");
}

TEST_CASE("What nobody sent again is dropped when it completes") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  acks.detach();
  CHECK(acks.complete(10));
  CHECK(drained(acks).empty());
  CHECK_FALSE(acks.join(kPuback, 1, 20));
}

TEST_CASE("A join survives another reconnect") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  acks.detach();
  CHECK(acks.join(kPuback, 1, 20));
  acks.detach();
  CHECK(acks.size() == 1);
  CHECK(acks.join(kPuback, 1, 30));
  acks.complete(10);
  CHECK(drained(acks) == "1 ");
}

TEST_CASE("An id that is used for a new publish is not answered for the old one") {
  AckQueue acks;
  acks.push_pending(10, kPuback, 1);
  acks.detach();
  acks.push_pending(20, kPuback, 1);
  acks.complete(10);
  CHECK(drained(acks).empty());
  acks.complete(20);
  CHECK(drained(acks) == "1 ");
}

TEST_CASE("Received QoS 2 ids are held until they are released") {
  AckQueue acks;
  acks.hold_id(7);
  acks.hold_id(3);
  acks.hold_id(7);
  CHECK(acks.holds_id(3));
  CHECK(acks.holds_id(7));
  acks.release_id(7);
  acks.release_id(9);
  CHECK_FALSE(acks.holds_id(7));
  CHECK(acks.holds_id(3));
}

TEST_CASE("A publish counts once towards the receive maximum until its exchange has ended") {
  AckQueue acks;
  acks.push_pending(1, kPubrec, 7);
  acks.hold_id(7);
  acks.push_pending(2, kPuback, 8);
  CHECK(acks.unfinished() == 2);
  acks.complete(1);
  acks.complete(2);
  CHECK(drained(acks) == "7 8 ");
  CHECK(acks.unfinished() == 1);
  acks.release_id(7);
  CHECK(acks.unfinished() == 0);
}

TEST_CASE("Sending an acknowledgement may end the connection") {
  AckQueue acks;
  acks.push_pending(1, kPuback, 7);
  acks.push_done(kPuback, 8);
  acks.push_pending(2, kPuback, 9);
  acks.complete(1);
  int sent = 0;
  acks.drain([&acks, &sent](PacketType, std::uint16_t, Reason) {
    ++sent;
    acks.detach();
  });
  CHECK(sent == 1);
  CHECK(acks.empty());
  CHECK(acks.unfinished() == 0);
  CHECK(acks.complete(2));  // what was pending still is
}
