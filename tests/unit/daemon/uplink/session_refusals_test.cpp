// Publishes that the cloud refuses, by its word or by closing the connection.
#include "daemon/uplink/session.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/session_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = SessionBench;

TEST_CASE("a publish refused for ever that is one record leaves the connection as it is") {
  Bench bench;
  bench.low.waiting = 6;
  bench.connect();
  bench.link.refuse(2, "not authorised", true);
  CHECK(bench.low.refusals == std::vector<std::uint64_t>{2});
  CHECK(bench.link.closes == 0);
  CHECK(bench.link.sent.size() == 5);
  CHECK_FALSE(bench.session.status().isolating);
}

TEST_CASE("a publish refused for ever that is many records is sent again one by one") {
  Bench bench;
  bench.low.waiting = 3;
  bench.low.takes_refusal = false;
  bench.connect();
  bench.low.suspect = true;
  bench.link.refuse(2, "not authorised", true);
  CHECK(bench.link.closes == 1);
  CHECK(bench.low.isolated);
  bench.link.closed();
  CHECK(bench.session.status().isolating);
  CHECK(bench.low.ends.back().explained);
}

TEST_CASE("after two unexplained ends one publish at a time goes, suspects first, after a pause") {
  Bench bench;
  bench.low.waiting = 100;
  bench.connect();
  bench.low.suspect = true;
  bench.link.close_by_peer();
  CHECK_FALSE(bench.low.ends.back().explained);
  CHECK(bench.low.ends.back().in_flight == 4);
  CHECK_FALSE(bench.session.status().isolating);
  bench.wait_for_attempt();
  bench.link.connect();
  bench.link.close_by_peer();
  CHECK(bench.session.status().isolating);
  CHECK(bench.low.isolated);
  CHECK(bench.high.isolated);
  bench.wait_for_attempt();
  const std::size_t before = bench.link.sent.size();
  bench.high.waiting = 5;
  bench.link.connect();
  CHECK(bench.link.sent.size() == before);
  bench.time.advance_ms(1000);
  REQUIRE(bench.link.sent.size() == before + 1);
  CHECK(bench.link.sent.back().topic == "low");
  bench.link.ack(bench.link.sent.back().id);
  CHECK(bench.link.sent.size() == before + 2);
  // The last suspect is settled: the whole window again.
  bench.low.suspect = false;
  bench.link.ack(bench.link.sent.back().id);
  CHECK_FALSE(bench.session.status().isolating);
  CHECK_FALSE(bench.low.isolated);
  CHECK(bench.session.status().in_flight == 4);
}

TEST_CASE("ends that are explained, or with nothing in flight, isolate nobody") {
  Bench bench;
  bench.low.waiting = 1000;
  bench.connect();
  for (int i = 0; i < 5; ++i) {
    bench.link.lose();  // unreachable
    bench.wait_for_attempt();
    bench.link.connect();
    bench.time.advance_ms(30'000);  // no ack in time: we end it
    bench.link.closed();
    bench.wait_for_attempt();
    bench.link.connect();
  }
  bench.low.waiting = 0;
  for (const auto& publish : bench.link.sent) bench.link.ack(publish.id);
  for (int i = 0; i < 5; ++i) {
    bench.link.close_by_peer();
    bench.wait_for_attempt();
    bench.link.connect();
  }
  CHECK_FALSE(bench.session.status().isolating);
}

TEST_CASE("suspects that were acknowledged after the first end leave no trace") {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 5; ++i) {
    bench.low.waiting = 1;
    bench.low.suspect = true;
    bench.session.pump();
    bench.link.close_by_peer();
    bench.wait_for_attempt();
    bench.low.waiting = 1;
    bench.link.connect();
    bench.low.suspect = false;
    bench.link.ack(bench.link.sent.back().id);
  }
  CHECK_FALSE(bench.session.status().isolating);
}
