#include "daemon/app/health.h"

#include <nlohmann/json.hpp>

#include "tests/unit/daemon/store/test_loop.h"
#include "tests/unit/daemon/uplink/fakes.h"
#include "tests/unit/local-broker/broker/pki.h"

namespace tg::app {
namespace {

using nlohmann::json;
using store::OpenStore;
using store::TempDir;
using store::TestLoop;

// A gateway with one stream, one listener's certificate and one uplink.
class Bench {
 public:
  Bench()
      : certificate(pki.issue({"gateway.example"})),
        store(loop, store::one_stream(dir)),
        reloader({"t.yaml", loaded(), {}}, loop.clock, loop.post()),
        broker({}, hooks, loop.clock, loop.metrics),
        uplink(options(), link, {}, loop.clock, loop.timers, loop.metrics, 1, letters.take()) {
    uplink.start();
  }
  config::LoadResult loaded() const {
    config::LoadResult result;
    auto& config = result.config.emplace();
    config.gateway_id = "gw";
    config.data_dir = dir.path;
    config.listeners.resize(1);
    config.listeners[0].name = "tls";
    config.listeners[0].tls = {certificate.certificate, certificate.key, "", ""};
    return result;
  }
  static uplink::UplinkOptions options() {
    uplink::UplinkOptions made;
    made.session.name = "cloud";
    made.session.endpoints.resize(1);
    made.session.endpoints[0].host = "broker";
    return made;
  }
  Parts parts() {
    Parts now;
    now.config = &reloader.config();
    now.reloader = &reloader;
    now.phase = Phase::kRunning;
    now.clock = &loop.clock;
    now.store = &*store;
    now.broker = &broker;
    now.uplinks = {&uplink};
    now.rates = &rates;
    return now;
  }

  broker::test::Pki pki;
  broker::test::Issued certificate;
  TempDir dir;
  TestLoop loop;
  OpenStore store;
  Reloader reloader;
  broker::Hooks hooks;
  broker::Broker broker;
  uplink::FakeLink link;
  uplink::FakeLetters letters;
  uplink::Uplink uplink;
  Rates rates;
};

}  // namespace

TEST_CASE("the health message has a field for each thing that can fail") {
  Bench bench;
  bench.store.put(0, "x");
  const auto message = json::parse(health_message(bench.parts()));
  CHECK(message["gateway"] == "gw");
  CHECK(message["clock"] == "synced");
  CHECK(message["state"] == "running");
  CHECK(message["store"]["health"] == "ok");
  CHECK(message["system"]["disk_free_bytes"] > 0);
  CHECK(message["broker"]["connections"] == 0);
  REQUIRE(message["streams"].size() == 1);
  CHECK(message["streams"][0]["records"] == 1);
  for (const char* list : {"exports", "processors"}) CHECK(message[list] == json::array());
}

TEST_CASE("the health message says when certificates end, and what is wrong with them") {
  Bench bench;
  const auto entries = json::parse(health_message(bench.parts()))["certificates"];
  REQUIRE(entries.size() == 1);
  CHECK(entries[0]["key"] == "broker.listeners[tls].tls.certificate");
  CHECK(entries[0]["subject"] == "gateway.example");
  CHECK(entries[0]["not_after"] > bench.loop.clock.now().wall_ms);
  CHECK(entries[0]["left_s"] > 0);
  CHECK(entries[0]["problem"].get<std::string>().empty());
  CHECK_FALSE(entries[0].contains("file"));
}

TEST_CASE("the health message names the cause of an uplink that is down") {
  Bench bench;
  bench.link.down("it says no", cloud::DownCause::kRefused);
  bench.link.closed();
  const auto uplinks = json::parse(health_message(bench.parts()))["uplinks"];
  REQUIRE(uplinks.size() == 1);
  CHECK(uplinks[0]["state"] == "backing-off");
  CHECK(uplinks[0]["cause"] == "refused");
}

TEST_CASE("a health message is stored at each interval") {
  Bench bench;
  HealthReporter reporter([&bench] { return bench.parts(); }, bench.loop.timers,
                          bench.loop.metrics);
  reporter.configure({"telemetry", "dt/gw/health", 1000});
  bench.loop.advance_ms(3000);
  bench.store.flush();
  CHECK(bench.loop.metrics.counter("tidegate_health_messages_total", "").value() >= 3);
  const auto chunk = bench.store.read(0, 1);
  const auto& record = chunk.records.front();
  CHECK(record.topic == "dt/gw/health");
  CHECK(json::parse(record.payload)["gateway"] == "gw");
}

}  // namespace tg::app
