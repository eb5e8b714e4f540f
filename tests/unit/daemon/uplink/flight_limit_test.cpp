#include "daemon/uplink/flight_limit.h"

#include <catch2/catch.hpp>

using tg::uplink::FlightLimit;

TEST_CASE("there is no limit before a time-out") {
  FlightLimit limit(30'000);
  CHECK(limit.allows(1U << 30));
  CHECK(limit.batch_bytes() == FlightLimit::kNone);
}

TEST_CASE("time-outs quarter what may be in flight, down to the least; one publish always may") {
  FlightLimit limit(30'000);
  limit.timed_out(400'000);
  CHECK(limit.allows(99'999));
  CHECK_FALSE(limit.allows(100'000));
  CHECK(limit.batch_bytes() == 50'000);
  for (int i = 0; i < 10; ++i) limit.timed_out(100'000);
  CHECK(limit.batch_bytes() == FlightLimit::kLeast / 2);
  CHECK(limit.allows(0));
}

TEST_CASE("quick acks double it, slow ones do not, until it is gone") {
  FlightLimit limit(30'000);
  limit.timed_out(40'000);
  for (int i = 0; i < 10; ++i) limit.acked(1000, 7'501);
  CHECK_FALSE(limit.allows(10'000));
  for (int i = 0; i < 10; ++i) limit.acked(1000, 7'500);
  CHECK(limit.allows(19'999));
  CHECK_FALSE(limit.allows(20'000));
  for (int i = 0; i < 20; ++i) limit.acked(1U << 20, 10);
  CHECK(limit.batch_bytes() == FlightLimit::kNone);
}

TEST_CASE("a link of 250 bytes a second is used after a few time-outs") {
  FlightLimit limit(30'000);
  int timeouts = 0;
  for (std::size_t in_flight = 64 * 61'440; in_flight / 250 > 30;) {
    limit.timed_out(in_flight);
    ++timeouts;
    in_flight = limit.batch_bytes() * 2;
  }
  CHECK(timeouts <= 6);
}
