#include "daemon/uplink/session.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

// Has `waiting` publishes to send; its topic is its name.
struct FakeSender final : Sender {
  explicit FakeSender(std::string name) : topic(std::move(name)) {}
  [[nodiscard]] bool is_ready() const override { return up && waiting > 0; }
  cloud::OutgoingPublish take(std::uint64_t id) override {
    --waiting;
    cloud::OutgoingPublish publish;
    publish.id = id;
    publish.topic = topic;
    return publish;
  }
  void untake(std::uint64_t) override { ++waiting; }
  void acked(std::uint64_t id) override { acks.push_back(id); }
  void link_up() override { up = true; }
  void link_closed() override {
    up = false;
    ++closed;
  }

  std::string topic;
  int waiting = 0;
  bool up = false;
  int closed = 0;
  std::vector<std::uint64_t> acks;
};

SessionOptions default_options() {
  SessionOptions options;
  options.name = "cloud";
  options.endpoints = {{false, "one", 1883}, {false, "two", 1883}, {false, "three", 1883}};
  options.window = 4;
  options.ack_timeout_ms = 30'000;
  options.backoff_min_ms = 1000;
  options.backoff_max_ms = 8000;
  return options;
}

struct Bench {
  FakeTime time;
  Metrics metrics;
  FakeLink link;
  FakeSender low{"low"};
  FakeSender high{"high"};
  Session session;

  explicit Bench(const SessionOptions& options = default_options(), std::uint64_t seed = 1)
      : session(options, link, time.clock, time.timers, metrics, seed) {
    session.add_sender(low, 5);
    session.add_sender(high, 1);
  }
  void connect() {
    if (session.status().state == SessionState::kStopped) session.start();
    link.connect();
  }
  // Waits out the back-off; its length.
  std::int64_t wait_for_attempt() {
    const std::size_t attempts = link.opened.size();
    std::int64_t waited = 0;
    while (link.opened.size() == attempts && waited < 100'000) {
      time.advance_ms(1);
      ++waited;
    }
    return waited;
  }
  [[nodiscard]] SessionState state() const { return session.status().state; }
  [[nodiscard]] std::vector<std::string> topics() const {
    std::vector<std::string> out;
    for (const auto& publish : link.sent) out.push_back(publish.topic);
    return out;
  }
};

using Topics = std::vector<std::string>;

}  // namespace

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

TEST_CASE("a refused publish ends the connection, so that all is sent again in order") {
  Bench bench;
  bench.low.waiting = 2;
  bench.connect();
  bench.link.events.on_refused(bench.link.generation, 1, "quota");
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
