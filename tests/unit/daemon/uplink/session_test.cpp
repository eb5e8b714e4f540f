#include "daemon/uplink/session.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/session_bench.h"

using namespace tg;
using namespace tg::uplink;

using Bench = SessionBench;

TEST_CASE("no more than the window is in flight") {
  Bench bench;
  bench.low.waiting = 10;
  bench.connect();
  CHECK(bench.link.sent.size() == 4);
  bench.link.ack_nth(0);
  CHECK(bench.link.sent.size() == 5);
  CHECK(bench.session.status().in_flight == 4);
}

TEST_CASE("a broker's lower Receive Maximum narrows the window") {
  Bench bench;
  bench.low.waiting = 10;
  bench.session.start();
  bench.link.connect(2);
  CHECK(bench.link.sent.size() == 2);
}

TEST_CASE("a free slot goes to the sender of the highest priority") {
  Bench bench;
  bench.low.waiting = 10;
  bench.connect();
  bench.high.waiting = 1;
  bench.session.pump();
  CHECK(bench.topics() == Topics{"low", "low", "low", "low"});
  bench.link.ack_nth(0);
  bench.link.ack_nth(1);
  CHECK(bench.topics() == Topics{"low", "low", "low", "low", "high", "low"});
}

TEST_CASE("senders of one priority take turns") {
  Bench bench;
  FakeSender third("third");
  bench.session.add_sender(third, 5);
  bench.low.waiting = 10;
  third.waiting = 10;
  bench.connect();
  CHECK(bench.topics() == Topics{"low", "third", "low", "third"});
}

TEST_CASE("a second ack, an unknown one and one of an older connection are ignored") {
  Bench bench;
  bench.low.waiting = 2;
  bench.connect();
  bench.link.ack(1);
  bench.link.ack(1);
  bench.link.ack(99);
  CHECK(bench.low.acks == std::vector<std::uint64_t>{1});
  const auto old_generation = bench.link.generation;
  bench.link.lose();
  bench.wait_for_attempt();
  bench.link.connect();
  bench.link.events.on_acked(old_generation, 2);
  CHECK(bench.low.acks == std::vector<std::uint64_t>{1});
}

TEST_CASE("senders are told to send again only when the link is closed") {
  Bench bench;
  bench.low.waiting = 2;
  bench.connect();
  bench.link.down("cut");
  CHECK(bench.low.closed == 0);
  CHECK(bench.state() == SessionState::kDisconnecting);
  bench.link.closed();
  CHECK(bench.low.closed == 1);
  CHECK(bench.state() == SessionState::kBackingOff);
  CHECK(bench.session.status().reason == "cut");
  CHECK(bench.session.status().in_flight == 0);
}

TEST_CASE("a publish unacknowledged for ack_timeout forces a new connection") {
  Bench bench;
  bench.low.waiting = 2;
  bench.connect();
  bench.time.advance_ms(20'000);
  bench.link.ack_nth(0);
  bench.low.waiting = 1;
  bench.session.pump();
  bench.time.advance_ms(9'999);
  CHECK(bench.link.closes == 0);
  bench.time.advance_ms(1);
  CHECK(bench.link.closes == 1);
  CHECK(bench.session.status().reason.find("no acknowledgement") != std::string::npos);
  bench.link.closed();
  CHECK(bench.state() == SessionState::kBackingOff);
  bench.wait_for_attempt();
  CHECK(bench.link.opened.size() == 2);
}

TEST_CASE("acks in time keep the connection") {
  Bench bench;
  bench.connect();
  for (int i = 0; i < 20; ++i) {
    bench.low.waiting = 1;
    bench.session.pump();
    bench.time.advance_ms(10'000);
    bench.link.ack(bench.link.sent.back().id);
  }
  CHECK(bench.link.closes == 0);
  CHECK(bench.state() == SessionState::kConnected);
}

TEST_CASE("a publish refused for now ends the connection, so that all is sent again in order") {
  Bench bench;
  bench.low.waiting = 2;
  bench.connect();
  bench.link.refuse(1, "quota", false);
  CHECK(bench.link.closes == 1);
  CHECK(bench.session.status().reason == "publish refused: quota");
  bench.link.closed();
  CHECK(bench.low.closed == 1);
}

TEST_CASE("a full link is tried again after an ack") {
  Bench bench;
  bench.low.waiting = 3;
  bench.connect();
  bench.link.refusals = 1;
  bench.low.waiting = 2;
  bench.link.ack_nth(0);
  CHECK(bench.link.sent.size() == 3);
  CHECK(bench.low.waiting == 2);
  bench.session.pump();
  CHECK(bench.link.sent.size() == 3);
  bench.link.ack_nth(1);
  CHECK(bench.link.sent.size() == 5);
}

TEST_CASE("no more publishes a second than the cloud takes") {
  SessionOptions options = default_options();
  options.publishes_per_second = 20;
  options.window = 500;
  Bench bench(options);
  bench.low.waiting = 1000;
  bench.connect();
  for (int second = 1; second <= 10; ++second) {
    bench.time.advance_ms(1000);
    const auto sent = static_cast<int>(bench.link.sent.size());
    CHECK(sent >= second * 20);
    CHECK(sent <= second * 20 + 3);
  }
}

TEST_CASE("no more bytes a second than the cloud takes, and an alarm waits only for the limit") {
  SessionOptions options = default_options();
  options.bytes_per_second = 1000;
  options.window = 500;
  Bench bench(options);
  bench.low.payload = std::string(500 - 3, 'x');
  bench.high.payload = std::string(500 - 4, 'x');
  bench.low.waiting = 1000;
  bench.connect();
  bench.time.advance_ms(10'000);
  CHECK(bench.link.sent.size() >= 20);
  CHECK(bench.link.sent.size() <= 22);
  bench.high.waiting = 1;
  bench.session.pump();
  bench.time.advance_ms(501);
  CHECK(bench.link.sent.back().topic == "high");
}

TEST_CASE("the back-off grows to its limit and stays within its bounds") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(default_options(), seed);
    bench.session.start();
    for (const std::int64_t ceiling : {1000, 2000, 4000, 8000, 8000, 8000}) {
      bench.link.lose();
      CHECK(bench.state() == SessionState::kBackingOff);
      CHECK(bench.wait_for_attempt() <= ceiling + 1);
    }
  }
}

TEST_CASE("the back-off is spread over its whole range") {
  std::int64_t shortest = 1'000'000;
  std::int64_t longest = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Bench bench(default_options(), seed);
    bench.session.start();
    for (int i = 0; i < 4; ++i) {
      bench.link.lose();
      const std::int64_t waited = bench.wait_for_attempt();
      if (i < 3) continue;
      shortest = std::min(shortest, waited);
      longest = std::max(longest, waited);
    }
  }
  CHECK(shortest < 1000);
  CHECK(longest > 7000);
}

TEST_CASE("a connection that does not last does not reset the back-off, an ack does") {
  std::int64_t longest_without = 0;
  std::int64_t longest_with = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    for (const bool with_ack : {false, true}) {
      Bench bench(default_options(), seed);
      bench.low.waiting = 100;
      bench.session.start();
      std::int64_t waited = 0;
      for (int i = 0; i < 5; ++i) {
        bench.link.connect();
        if (with_ack) bench.link.ack(bench.link.sent.back().id);
        bench.link.lose();
        waited = bench.wait_for_attempt();
      }
      std::int64_t& longest = with_ack ? longest_with : longest_without;
      longest = std::max(longest, waited);
    }
  }
  CHECK(longest_with <= 1001);
  CHECK(longest_without > 4000);
}

TEST_CASE("a connection that lasts resets the back-off") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Bench bench(default_options(), seed);
    bench.session.start();
    for (int i = 0; i < 5; ++i) {
      bench.link.lose();
      bench.wait_for_attempt();
    }
    bench.link.connect();
    bench.time.advance_ms(10'000);
    bench.link.lose();
    CHECK(bench.wait_for_attempt() <= 1001);
  }
}

TEST_CASE("a stop waits for what is in flight and sends nothing more") {
  Bench bench;
  bench.low.waiting = 6;
  bench.connect();
  bool stopped = false;
  bench.session.stop(2000, [&stopped] { stopped = true; });
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(bench.link.closes == 0);
    bench.link.ack_nth(i);
  }
  CHECK(bench.link.closes == 1);
  CHECK(bench.link.sent.size() == 4);
  CHECK(bench.low.acks.size() == 4);
  CHECK_FALSE(stopped);
  bench.link.closed();
  CHECK(stopped);
  CHECK(bench.state() == SessionState::kStopped);
}

TEST_CASE("a stop waits no longer than it may") {
  Bench bench;
  bench.low.waiting = 1;
  bench.connect();
  int stopped = 0;
  bench.session.stop(2000, [&stopped] { ++stopped; });
  bench.time.advance_ms(1999);
  CHECK(bench.link.closes == 0);
  bench.time.advance_ms(1);
  CHECK(bench.link.closes == 1);
  bench.time.advance_ms(3000);  // the cloud thread hangs
  CHECK(stopped == 1);
  bench.link.closed();
  CHECK(stopped == 1);
}

TEST_CASE("a stop while backing off or connecting ends at once") {
  Bench bench;
  bench.session.start();
  bench.link.lose();
  bool stopped = false;
  bench.session.stop(2000, [&stopped] { stopped = true; });
  CHECK(stopped);
  bench.time.advance_ms(20'000);
  CHECK(bench.link.opened.size() == 1);

  Bench connecting;
  connecting.session.start();
  stopped = false;
  connecting.session.stop(2000, [&stopped] { stopped = true; });
  CHECK(connecting.link.closes == 1);
  connecting.link.closed();
  CHECK(stopped);
}

TEST_CASE("a connection lost during the stop ends it") {
  Bench bench;
  bench.low.waiting = 1;
  bench.connect();
  bool stopped = false;
  bench.session.stop(2000, [&stopped] { stopped = true; });
  bench.link.lose();
  CHECK(stopped);
  CHECK(bench.time.timers.size() == 0);
}

TEST_CASE("the session leaves no timer and no handler behind") {
  FakeTime time;
  FakeLink link;
  Metrics metrics;
  FakeSender sender("a");
  {
    Session session(default_options(), link, time.clock, time.timers, metrics, 1);
    session.add_sender(sender, 1);
    sender.waiting = 1;
    session.start();
    link.connect();
  }
  CHECK(time.timers.size() == 0);
  link.ack(1);
  link.lose();
  CHECK(sender.acks.empty());
}

TEST_CASE("live data and backlog of one priority share the bytes, whatever their sizes") {
  for (const int share : {0, 20, 50, 80, 100}) {
    SessionOptions options = default_options();
    options.backlog_share = share;
    options.window = 1;
    Bench bench(options);
    FakeSender old("old");
    old.backlog = true;
    old.payload = std::string(5000, 'x');
    bench.low.payload = std::string(1000, 'x');
    bench.session.add_sender(old, 5);
    bench.low.waiting = old.waiting = 100'000;
    bench.connect();
    for (int i = 0; i < 2000; ++i) bench.link.ack_nth(bench.link.sent.size() - 1);
    double bytes = 0;
    double of_backlog = 0;
    for (const auto& publish : bench.link.sent) {
      bytes += static_cast<double>(publish.payload.size());
      if (publish.topic == "old") of_backlog += static_cast<double>(publish.payload.size());
    }
    INFO(share);
    CHECK(of_backlog / bytes > share / 100.0 - 0.02);
    CHECK(of_backlog / bytes < share / 100.0 + 0.02);
  }
}

TEST_CASE("backlog alone has the whole rate, and live data finds room in the window at once") {
  SessionOptions options = default_options();
  options.window = 16;
  Bench bench(options);
  FakeSender old("old");
  old.backlog = true;
  bench.session.add_sender(old, 5);
  old.waiting = 1000;
  bench.connect();
  CHECK(bench.link.sent.size() == 14);
  bench.low.waiting = 1;
  bench.session.pump();
  REQUIRE(bench.link.sent.size() == 15);
  CHECK(bench.link.sent.back().topic == "low");
  bench.link.ack_nth(0);
  CHECK(bench.link.sent.size() == 16);
}

TEST_CASE("alarms go before any backlog share") {
  SessionOptions options = default_options();
  options.backlog_share = 100;
  options.window = 1;
  Bench bench(options);
  bench.low.backlog = true;
  bench.low.waiting = bench.high.waiting = 3;
  bench.connect();
  for (int i = 0; i < 5; ++i) bench.link.ack_nth(bench.link.sent.size() - 1);
  CHECK(bench.topics() == Topics{"high", "high", "high", "low", "low", "low"});
}

TEST_CASE("after a time-out less is in flight and batches are smaller, until acks are quick") {
  SessionOptions options = default_options();
  options.window = 64;
  Bench bench(options);
  bench.low.payload = std::string(60'000 - 3, 'x');
  bench.low.waiting = 1000;
  bench.connect();
  CHECK(bench.link.sent.size() == 64);
  bench.time.advance_ms(30'000);
  bench.link.closed();
  bench.wait_for_attempt();
  bench.link.connect();
  CHECK(bench.link.sent.size() == 64 + 16);
  CHECK(bench.low.batch_bytes == 64 * 60'000 / 8);
  for (std::size_t n = 64; n < 64 + 16; ++n) bench.link.ack_nth(n);
  CHECK(bench.low.batch_bytes == 2 * 64 * 60'000 / 8);  // told at once, not by the next link
  CHECK(bench.session.status().in_flight == 32);
}
