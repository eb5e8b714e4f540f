#include "local-broker/broker/outbound.h"

#include <catch2/catch.hpp>

using tg::broker::MessageRef;
using tg::broker::Outbound;

namespace {

MessageRef message() { return MessageRef::make({"topic", "payload", {}, 1}); }

}  // namespace

TEST_CASE("Acknowledgements in any order empty the window") {
  Outbound outbound;
  const auto a = outbound.start({message(), 0, 1, false});
  const auto b = outbound.start({message(), 0, 1, false});
  const auto c = outbound.start({message(), 0, 1, false});
  CHECK(outbound.on_puback(b));
  CHECK_FALSE(outbound.on_puback(b));
  CHECK(outbound.in_flight() == 3);
  CHECK(outbound.on_puback(a));
  CHECK(outbound.in_flight() == 1);
  CHECK(outbound.on_puback(c));
  CHECK(outbound.in_flight() == 0);
  CHECK_FALSE(outbound.on_puback(c));
}

TEST_CASE("QoS 2 takes PUBREC, then PUBCOMP") {
  Outbound outbound;
  const auto id = outbound.start({message(), 0, 2, false});
  CHECK_FALSE(outbound.on_puback(id));
  CHECK_FALSE(outbound.on_pubcomp(id));
  CHECK(outbound.on_pubrec(id));
  CHECK(outbound.on_pubrec(id));
  CHECK(outbound.on_pubcomp(id));
  CHECK(outbound.in_flight() == 0);
}

TEST_CASE("Packet ids wrap past zero and stay distinct") {
  Outbound outbound;
  outbound.start({message(), 0, 1, false});
  REQUIRE(outbound.on_puback(1));
  for (int i = 2; i <= 0xFFFE; ++i) {
    outbound.on_puback(outbound.start({{}, 0, 1, false}));
  }
  const auto last = outbound.start({message(), 0, 1, false});
  const auto first = outbound.start({message(), 0, 1, false});
  CHECK(last == 0xFFFF);
  CHECK(first == 1);
  CHECK(outbound.on_puback(first));
  CHECK(outbound.on_puback(last));
  CHECK(outbound.in_flight() == 0);
  CHECK_FALSE(outbound.on_puback(0));
}

TEST_CASE("Replays do not count against the queue's bytes") {
  Outbound outbound;
  outbound.push({{message(), 0, 0, true}, true});
  CHECK(outbound.replaying() == 1);
  CHECK(outbound.queued_bytes() == 0);
  outbound.push({{message(), 0, 1, false}, false});
  CHECK(outbound.queued_bytes() > 0);
  outbound.take_front();
  CHECK(outbound.replaying() == 0);
  outbound.take_front();
  CHECK(outbound.queued_bytes() == 0);
  CHECK_FALSE(outbound.has_queued());
}

TEST_CASE("After a reconnect the window is sent again in order") {
  Outbound outbound;
  const auto a = outbound.start({message(), 0, 1, false});
  const auto b = outbound.start({message(), 0, 2, false});
  outbound.begin_resend();
  CHECK(outbound.has_more());
  CHECK(outbound.unsent() == 2);
  CHECK(outbound.resend_next().packet_id == a);
  CHECK(outbound.on_puback(a));
  CHECK(outbound.unsent() == 1);
  CHECK(outbound.resend_next().packet_id == b);
  CHECK_FALSE(outbound.has_more());
}

TEST_CASE("A refused QoS 2 message is finished") {
  Outbound outbound;
  const auto id = outbound.start({message(), 0, 2, false});
  CHECK(outbound.on_pubrec_refused(id));
  CHECK(outbound.in_flight() == 0);
}

TEST_CASE("QoS 0 gives way first, wherever it stands; replays and the order of the rest stay") {
  Outbound outbound;
  const auto push = [&outbound](const std::string& topic, std::uint8_t qos, bool replay) {
    outbound.push({{MessageRef::make({topic, "", {}, qos}), 0, qos, false}, replay});
  };
  push("replay", 0, true);
  push("one", 1, false);
  push("zero", 0, false);
  push("two", 2, false);
  const std::size_t before = outbound.queued_bytes();
  CHECK(outbound.drop_qos0());
  CHECK_FALSE(outbound.drop_qos0());
  CHECK(outbound.queued_bytes() < before);
  for (const std::string topic : {"replay", "one", "two"}) {
    CHECK(outbound.front().message->topic() == topic);
    static_cast<void>(outbound.take_front());
  }
  CHECK_FALSE(outbound.has_queued());
  CHECK(outbound.queued_bytes() == 0);
}
