#include "daemon/uplink/bridge.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "daemon/uplink/mqtt_properties.h"
#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

std::vector<BridgeRule> command_rules() {
  return {{false, "cmd/+/request", "cmd/gw1/+/request", 60'000, 3},
          {true, "cmd/+/response", "cmd/gw1/+/response", 60'000, 3}};
}

struct Bench {
  FakeTime time;
  Metrics metrics;
  int ready_calls = 0;
  std::vector<std::string> delivered;  // "topic payload"
  std::vector<std::string> properties;
  Bridge bridge;
  std::uint64_t last_id = 0;

  explicit Bench(std::vector<BridgeRule> rules = command_rules(), bool with_properties = false)
      : bridge("cloud", std::move(rules), {}, with_properties, time.clock, metrics,
               [this] { ++ready_calls; }) {
    bridge.set_deliver([this](const LocalMessage& message) {
      delivered.push_back(std::string(message.topic) + ' ' + std::string(message.payload));
      properties.emplace_back(message.properties);
    });
  }
  bool offer(const std::string& topic, const std::string& payload) {
    return bridge.offer({topic, payload, {}, 1, {}});
  }
  void from_cloud(const std::string& topic, const std::string& payload) {
    cloud::IncomingMessage message;
    message.topic = topic;
    message.payload = payload;
    bridge.on_message(message);
  }
  std::vector<std::string> take_all() {
    std::vector<std::string> out;
    while (bridge.is_ready()) {
      const auto publish = bridge.take(++last_id);
      out.push_back(publish.topic + ' ' + publish.payload);
    }
    return out;
  }
  [[nodiscard]] bool counted(const std::string& reason, int count) const {
    return metrics.text().find("tidegate_bridge_dropped_total{reason=\"" + reason +
                               "\",uplink=\"cloud\"} " + std::to_string(count)) !=
           std::string::npos;
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("an answer goes up on its mapped topic, anything else is not taken") {
  Bench bench;
  bench.bridge.link_up(SIZE_MAX);
  CHECK_FALSE(bench.offer("dt/a/t", "1"));
  CHECK_FALSE(bench.offer("cmd/d7/request", "1"));  // a rule of the other direction
  CHECK(bench.ready_calls == 0);
  CHECK(bench.offer("cmd/d7/response", "ok"));
  CHECK(bench.ready_calls == 1);
  CHECK(bench.take_all() == Lines{"cmd/gw1/d7/response ok"});
}

TEST_CASE("what its publisher lets expire at once is not passed on") {
  Bench bench;
  bench.bridge.link_up(SIZE_MAX);
  CHECK(bench.bridge.offer({"cmd/d7/response", "late", {}, 1, 0}));
  CHECK_FALSE(bench.bridge.is_ready());
  CHECK(bench.offer("cmd/d7/response", "ok"));
  CHECK(bench.take_all() == Lines{"cmd/gw1/d7/response ok"});
  CHECK(bench.counted("expired", 1));
}

TEST_CASE("a command comes down on its mapped topic") {
  Bench bench;
  CHECK(bench.bridge.filters() == Lines{"cmd/gw1/+/request"});
  bench.from_cloud("cmd/gw1/d7/request", "go");
  bench.from_cloud("cmd/gw1/d7/response", "no rule");
  CHECK(bench.delivered == Lines{"cmd/d7/request go"});
}

TEST_CASE("without a link messages wait, the oldest gives way, and none longer than its expiry") {
  Bench bench;
  for (int i = 1; i <= 5; ++i) bench.offer("cmd/d/response", std::to_string(i));
  CHECK_FALSE(bench.bridge.is_ready());
  CHECK(bench.bridge.queued() == 3);
  CHECK(bench.counted("full", 2));
  bench.time.clock.advance_ms(59'999);
  bench.offer("cmd/d/response", "6");
  bench.time.clock.advance_ms(1);
  bench.bridge.link_up(SIZE_MAX);
  CHECK(bench.take_all() == Lines{"cmd/gw1/d/response 6"});
  CHECK(bench.counted("expired", 2));
}

TEST_CASE("what was in flight when the link was lost is sent again, in order") {
  Bench bench;
  bench.bridge.link_up(SIZE_MAX);
  for (int i = 1; i <= 3; ++i) bench.offer("cmd/d/response", std::to_string(i));
  bench.take_all();
  bench.bridge.acked(2);
  bench.bridge.link_closed({});
  bench.bridge.link_up(SIZE_MAX);
  CHECK(bench.take_all() == Lines{"cmd/gw1/d/response 1", "cmd/gw1/d/response 3"});
  CHECK_FALSE(bench.bridge.is_suspect());
}

TEST_CASE("what is beyond the limits of the cloud is dropped and counted") {
  Bench bench({{true, "up/#", "site/gw1/#", 60'000, 10}});
  bench.bridge.link_up(SIZE_MAX);
  CHECK(bench.offer("up/1/2/3/4/5/6", "six"));
  CHECK(bench.offer("up/1/2/3/4/5/6/7", "seven"));
  CHECK(bench.offer("up/1", std::string(128 * 1024 + 1, 'x')));
  CHECK(bench.take_all() == std::vector<std::string>{"site/gw1/1/2/3/4/5/6 six"});
  CHECK(bench.counted("refused", 2));
}

TEST_CASE("a message in flight at three unexplained ends is dropped") {
  Bench bench;
  bench.offer("cmd/d/response", "poison");
  for (int i = 0; i < 3; ++i) {
    CHECK(bench.bridge.queued() == 1);
    bench.bridge.link_up(SIZE_MAX);
    CHECK(bench.take_all().size() == 1);
    bench.bridge.link_closed({false, 1, "closed"});
  }
  CHECK(bench.bridge.queued() == 0);
  CHECK_FALSE(bench.bridge.is_suspect());
  CHECK(bench.counted("refused", 1));
}

TEST_CASE("a suspect message that expires is suspect no more") {
  Bench bench;
  bench.offer("cmd/d/response", "1");
  bench.bridge.link_up(SIZE_MAX);
  bench.take_all();
  bench.bridge.link_closed({false, 1, "closed"});
  bench.bridge.link_up(SIZE_MAX);
  bench.time.clock.advance_ms(59'999);
  CHECK(bench.bridge.is_suspect());
  bench.time.clock.advance_ms(1);
  CHECK_FALSE(bench.bridge.is_ready());
  CHECK_FALSE(bench.bridge.is_suspect());
}

TEST_CASE("what was sent up and comes back is not delivered, the same from elsewhere is") {
  Bench bench({{false, "x/#", "x/#", 60'000, 10}, {true, "x/#", "x/#", 60'000, 10}});
  bench.bridge.link_up(SIZE_MAX);
  bench.offer("x/a", "1");
  bench.take_all();
  bench.from_cloud("x/a", "1");
  CHECK(bench.delivered.empty());
  CHECK(bench.counted("echo", 1));
  bench.from_cloud("x/a", "1");
  bench.from_cloud("x/a", "2");
  CHECK(bench.delivered == Lines{"x/a 1", "x/a 2"});
  // And an echo that did not come within its time is none.
  bench.offer("x/a", "3");
  bench.take_all();
  bench.time.clock.advance_ms(Bridge::kEchoMs);
  bench.from_cloud("x/a", "3");
  CHECK(bench.delivered.back() == "x/a 3");
}

TEST_CASE("at MQTT 5 correlation passes both ways and the response topic is mapped") {
  Bench bench(command_rules(), true);
  cloud::IncomingMessage request;
  request.topic = "cmd/gw1/d7/request";
  request.payload = "go";
  request.response_topic = "cmd/gw1/d7/response";
  request.correlation_data = std::string("\0\x01", 2);
  request.content_type = "text/plain";
  request.user_properties = {{"unit", "C"}};
  bench.bridge.on_message(request);
  REQUIRE(bench.properties.size() == 1);
  const PublishProperties down = read_mqtt_properties(bench.properties[0]);
  CHECK(down.response_topic == "cmd/d7/response");
  CHECK(down.correlation_data == request.correlation_data);
  CHECK(down.content_type == "text/plain");
  CHECK(down.user == request.user_properties);

  PublishProperties answer;
  answer.correlation_data = request.correlation_data;
  answer.user = {{"took", "3ms"}};
  const std::string bytes = write_mqtt_properties(answer);
  bench.bridge.link_up(SIZE_MAX);
  bench.bridge.offer({"cmd/d7/response", "done", bytes, 1, 5'000});
  REQUIRE(bench.bridge.is_ready());
  const auto up = bench.bridge.take(1);
  CHECK(up.correlation_data == request.correlation_data);
  CHECK(up.user_properties == answer.user);
  CHECK(up.expiry_s == 5U);
}

TEST_CASE("malformed properties give what came before the damage") {
  PublishProperties whole;
  whole.content_type = "a";
  whole.correlation_data = "bcd";
  const std::string bytes = write_mqtt_properties(whole);
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const auto part = read_mqtt_properties(std::string_view(bytes).substr(0, size));
    CHECK((part.content_type.empty() || part.content_type == "a"));
    if (size == bytes.size()) CHECK(part.correlation_data == "bcd");
  }
}
