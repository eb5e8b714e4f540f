// Which endpoint a session tries, when, and who may use it.
#include "daemon/uplink/session.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/session_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = SessionBench;

TEST_CASE("the endpoints are tried in turn, the first again after a lost connection") {
  Bench bench;
  bench.session.start();
  for (int i = 0; i < 4; ++i) {
    bench.link.lose();
    bench.wait_for_attempt();
  }
  bench.link.connect();
  bench.link.lose();
  bench.wait_for_attempt();
  Topics hosts;
  for (const auto& options : bench.link.opened) hosts.push_back(options.endpoint.host);
  CHECK(hosts == Topics{"one", "two", "three", "one", "two", "one"});
}

TEST_CASE("no TLS before the clock is synchronised, but not for ever") {
  SessionOptions options = default_options();
  options.endpoints[0].tls = true;
  options.wait_for_clock_ms = 60'000;
  {
    Bench bench(options);
    bench.time.clock.set_quality(ClockQuality::kUnsynchronised);
    bench.session.start();
    CHECK(bench.state() == SessionState::kWaitingForClock);
    CHECK(bench.session.status().cause == "clock");
    bench.time.advance_ms(10'000);
    CHECK(bench.link.opened.empty());
    bench.time.clock.set_quality(ClockQuality::kSynchronised);
    bench.time.advance_ms(1000);
    CHECK(bench.link.opened.size() == 1);
    CHECK(bench.state() == SessionState::kConnecting);
  }
  Bench bench(options);
  bench.time.clock.set_quality(ClockQuality::kUnsynchronised);
  bench.session.start();
  bench.time.advance_ms(59'000);
  CHECK(bench.link.opened.empty());
  bench.time.advance_ms(1000);
  CHECK(bench.link.opened.size() == 1);
  bench.link.down("certificate is not yet valid", cloud::DownCause::kExpired);
  CHECK(bench.session.status().reason.find("clock is not synchronised") != std::string::npos);
  CHECK(bench.metrics.text().find(
            "tidegate_uplink_failures_total{cause=\"clock\",uplink=\"cloud\"} 1") !=
        std::string::npos);
}

TEST_CASE("without TLS nobody waits for the clock") {
  SessionOptions options = default_options();
  options.wait_for_clock_ms = 60'000;
  Bench bench(options);
  bench.time.clock.set_quality(ClockQuality::kUnsynchronised);
  bench.session.start();
  CHECK(bench.link.opened.size() == 1);
}

TEST_CASE("an endpoint that accepts and closes again and again is left for the next") {
  Bench bench;
  bench.session.start();
  for (int i = 0; i < 3; ++i) {
    bench.link.connect();
    bench.link.close_by_peer();
    bench.wait_for_attempt();
  }
  CHECK(bench.link.opened.back().endpoint.host == "two");
}

TEST_CASE("an expensive endpoint is for those who may, and not used without one") {
  SessionOptions options = default_options();
  options.endpoints.resize(2);
  options.endpoints[1].expensive = true;
  {
    Bench bench(options);
    bench.session.start();
    bench.link.lose();
    bench.wait_for_attempt();
    CHECK(bench.link.opened.back().endpoint.host == "one");
  }
  Bench bench(options);
  bench.high.expensive = true;
  bench.low.waiting = bench.high.waiting = 2;
  bench.session.start();
  bench.link.lose();
  bench.wait_for_attempt();
  CHECK(bench.link.opened.back().endpoint.host == "two");
  bench.link.connect();
  CHECK(bench.topics() == Topics{"high", "high"});
  CHECK(bench.session.status().expensive);
}

TEST_CASE("fail-back waits until the preferred endpoint has been open three times in a row") {
  SessionOptions options = default_options();
  options.probe_ms = 1000;
  Bench bench(options);
  bench.session.start();
  bench.link.lose();
  bench.wait_for_attempt();
  bench.low.waiting = 1;
  bench.link.connect();
  bench.link.obstacle = {cloud::DownCause::kUnreachable, "no answer"};
  bench.time.advance_ms(10'000);
  CHECK(bench.link.probed.size() == 10);
  CHECK(bench.link.probed.back().endpoint.host == "one");
  bench.link.obstacle = {};
  bench.time.advance_ms(2000);
  bench.link.obstacle = {cloud::DownCause::kUnreachable, "no answer"};
  bench.time.advance_ms(1000);
  bench.link.obstacle = {};
  bench.time.advance_ms(3000);
  // What is in flight is waited for, nothing new is sent.
  CHECK(bench.link.closes == 0);
  bench.low.waiting = 1;
  bench.session.pump();
  CHECK(bench.link.sent.size() == 1);
  bench.link.ack_nth(0);
  CHECK(bench.link.closes == 1);
  bench.link.closed();
  CHECK(bench.link.opened.back().endpoint.host == "one");
  bench.link.connect();
  CHECK(bench.link.sent.size() == 2);
  bench.time.advance_ms(60'000);
  CHECK(bench.link.opened.size() == 3);
}

TEST_CASE("a preferred endpoint that does not hold is looked at later each time") {
  SessionOptions options = default_options();
  options.probe_ms = 1000;
  options.backoff_max_ms = 1000;
  Bench bench(options);
  bench.session.start();
  std::vector<std::int64_t> waits;
  for (int i = 0; i < 4; ++i) {
    bench.link.lose();  // the preferred one
    bench.wait_for_attempt();
    bench.link.connect();
    std::int64_t waited = 0;
    while (bench.link.closes == i) {
      bench.time.advance_ms(1);
      ++waited;
    }
    waits.push_back(waited);
    bench.link.closed();
    CHECK(bench.link.opened.back().endpoint.host == "one");
  }
  CHECK(waits == std::vector<std::int64_t>{3000, 6000, 12'000, 24'000});
}
