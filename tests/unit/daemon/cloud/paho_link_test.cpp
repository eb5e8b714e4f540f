#include "daemon/cloud/paho_link.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/assert.h"
#include "daemon/base/bounded_queue.h"
#include "tests/unit/daemon/cloud/responder.h"

using namespace tg;
using namespace tg::cloud;
using Manner = Responder::Manner;

namespace {

constexpr auto kPatience = std::chrono::seconds(20);

// The loop, a link and what it reported, as one word per event.
struct Bench {
  BoundedQueue<Task> tasks{10'000};
  std::vector<std::string> events;
  std::string reason;
  DownCause cause = DownCause::kOther;
  PahoLink link{[this](Task task) { TG_ASSERT(tasks.push(std::move(task))); }};

  Bench() {
    LinkEvents handlers;
    handlers.on_connected = [this](Generation g, Connected) { note("connected", g); };
    handlers.on_down = [this](Generation g, const Down& down) {
      reason = down.reason;
      cause = down.cause;
      note("down", g);
    };
    handlers.on_acked = [this](Generation g, std::uint64_t id) {
      note("acked" + std::to_string(id), g);
    };
    handlers.on_refused = [this](Generation g, std::uint64_t id, const Refusal&) {
      note("refused" + std::to_string(id), g);
    };
    handlers.on_closed = [this](Generation g) { note("closed", g); };
    link.set_events(std::move(handlers));
  }

  void note(const std::string& event, Generation generation) {
    events.push_back(std::to_string(generation) + ' ' + event);
  }
  [[nodiscard]] bool has(const std::string& event) const {
    return std::find(events.begin(), events.end(), event) != events.end();
  }
  // Runs posted tasks until the event has come.
  bool wait_for(const std::string& event) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!has(event) && std::chrono::steady_clock::now() < end) {
      if (auto task = tasks.pop_for(std::chrono::milliseconds(100))) (*task)();
    }
    return has(event);
  }
};

LinkOptions options_for(std::uint16_t port) {
  LinkOptions options;
  options.endpoint = {false, "127.0.0.1", port};
  options.client_id = "gateway";
  options.connect_timeout_s = 1;
  return options;
}

OutgoingPublish publish_of(std::uint64_t id) {
  OutgoingPublish publish;
  publish.id = id;
  publish.topic = "topic/" + std::to_string(id);
  publish.payload = "payload";
  return publish;
}

using Events = std::vector<std::string>;

}  // namespace

TEST_CASE("a refused port is reported as such, then the generation is closed") {
  Bench bench;
  bench.link.open(options_for(Responder::refused_port()));
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.events == Events{"1 down", "1 closed"});
  CHECK(bench.reason.find("Connection refused") != std::string::npos);
  CHECK(bench.cause == DownCause::kUnreachable);
}

TEST_CASE("a name that does not resolve is reported") {
  Bench bench;
  LinkOptions options = options_for(1883);
  options.endpoint.host = "no-such-host.invalid";
  bench.link.open(options);
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.reason.find("cannot resolve no-such-host.invalid") != std::string::npos);
  CHECK(bench.cause == DownCause::kResolver);
}

TEST_CASE("a peer that never answers is given up after the connect timeout") {
  Responder responder(Manner::kSilent);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.reason == "no CONNACK within 1 s");
}

TEST_CASE("a refused CONNECT gives the broker's reason") {
  Responder responder(Manner::kRefuse);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.reason == "CONNACK 5: not authorised");
  CHECK(bench.cause == DownCause::kRefused);
}

TEST_CASE("the session is persistent and the version explicit") {
  Responder responder(Manner::kAck);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  CHECK(responder.seen().protocol == 4);
  CHECK((responder.seen().connect_flags & 0x02) == 0);
}

// Paho takes 2.5 times its own keep-alive and a second.
TEST_CASE("Paho's keep-alive finds a silent link within 1.5 times that of the options") {
  const int keep_alive_s = GENERATE(5, 60, 65535);
  Responder responder(Manner::kAck);
  Bench bench;
  LinkOptions options = options_for(responder.port());
  options.keep_alive_s = keep_alive_s;
  bench.link.open(options);
  REQUIRE(bench.wait_for("1 connected"));
  const int found_within_s = responder.seen().keep_alive_s * 5 / 2 + 1;
  CHECK(found_within_s <= keep_alive_s * 3 / 2);
  CHECK(found_within_s > keep_alive_s);
}

TEST_CASE("publishes are acknowledged by their id") {
  Responder responder(Manner::kAck);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  for (std::uint64_t id = 1; id <= 100; ++id) REQUIRE(bench.link.publish(publish_of(id)));
  for (std::uint64_t id = 1; id <= 100; ++id) {
    REQUIRE(bench.wait_for("1 acked" + std::to_string(id)));
  }
  const Seen seen = responder.seen();
  CHECK(seen.topics.size() == 100);
  CHECK(seen.topics.front() == "topic/1");
  CHECK(seen.topics.back() == "topic/100");
}

TEST_CASE("close disconnects gracefully and reports closed once, without down") {
  Responder responder(Manner::kAck);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  bench.link.close();
  bench.link.close();
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.events == Events{"1 connected", "1 closed"});
  CHECK(responder.seen().disconnects == 1);
}

TEST_CASE("a connection may be closed while it is being made") {
  Responder responder(Manner::kSilent);
  Bench bench;
  LinkOptions options = options_for(responder.port());
  options.connect_timeout_s = 300;
  bench.link.open(options);
  bench.link.close();
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.events == Events{"1 closed"});
}

TEST_CASE("a lost connection is down, then closed, and nothing in flight is acknowledged") {
  Responder responder(Manner::kDropOnPublish);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  REQUIRE(bench.link.publish(publish_of(1)));
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.events == Events{"1 connected", "1 down", "1 closed"});
  CHECK(bench.reason.find("lost") != std::string::npos);
  CHECK(bench.cause == DownCause::kClosed);
}

TEST_CASE("a new generation sends only what it was given") {
  Responder responder(Manner::kAckNoPublishes);
  Bench bench;
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  REQUIRE(bench.link.publish(publish_of(1)));
  bench.link.close();
  REQUIRE(bench.wait_for("1 closed"));
  CHECK(bench.link.open(options_for(responder.port())) == 2);
  REQUIRE(bench.wait_for("2 connected"));
  REQUIRE(bench.link.publish(publish_of(2)));
  bench.link.close();
  REQUIRE(bench.wait_for("2 closed"));
  CHECK(responder.seen().topics == Events{"topic/1", "topic/2"});
  CHECK_FALSE(bench.has("2 acked1"));
}

TEST_CASE("a publish is not taken without a connection or beyond the limit") {
  Responder responder(Manner::kAckNoPublishes);
  Bench bench;
  CHECK_FALSE(bench.link.publish(publish_of(1)));
  bench.link.open(options_for(responder.port()));
  REQUIRE(bench.wait_for("1 connected"));
  for (std::uint64_t id = 0; id < PahoLink::kMaxUnacknowledged; ++id) {
    REQUIRE(bench.link.publish(publish_of(id)));
  }
  CHECK_FALSE(bench.link.publish(publish_of(9999)));
}

TEST_CASE("the proxy variables of the environment are not obeyed") {
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  Responder responder(Manner::kAck);
  Bench bench;
  CHECK(std::getenv("http_proxy") == nullptr);
  bench.link.open(options_for(responder.port()));
  CHECK(bench.wait_for("1 connected"));
}

TEST_CASE("a link ends while it connects, while it is up and while it is idle") {
  Responder silent(Manner::kSilent);
  Responder polite(Manner::kAck);
  { Bench idle; }
  {
    Bench connecting;
    connecting.link.open(options_for(silent.port()));
  }
  Bench up;
  up.link.open(options_for(polite.port()));
  CHECK(up.wait_for("1 connected"));
}
