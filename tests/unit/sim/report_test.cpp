#include "tests/sim/report.h"

#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

using namespace tg::sim;

namespace {

constexpr std::int64_t kMs = 1000;

// One device a with one QoS 1 track and one QoS 0 track, whose words in the cloud are 1 … 3.
struct Run {
  Run() {
    devices.tracks = {{"a", "dt/a/t", 1, {}}, {"a", "dt/a/v", 0, {}}};
    devices.has_ended = true;
    cloud.words = {"", "a", "dt/a/t", "dt/a/v", "telemetry", "e1"};
  }
  void made(std::size_t track, std::int64_t made_us, std::int64_t acknowledged_us) {
    devices.tracks[track].samples.push_back({made_us, acknowledged_us});
  }
  void arrived(std::uint64_t n, std::uint64_t seq, std::int64_t time_us, std::uint32_t track = 0) {
    cloud.arrivals.push_back(
        {2 + track, 1, n, seq == 0 ? 0U : 4U, seq == 0 ? 0U : 5U, seq, time_us});
  }
  [[nodiscard]] Report report() const { return make_report(devices, cloud); }

  DevicesLog devices;
  CloudLog cloud;
};

}  // namespace

TEST_CASE("a run in which all arrived in order is clean") {
  Run run;
  run.made(0, 1000, 2000);
  run.made(0, 3000, 4000);
  run.made(1, 3500, 0);
  run.arrived(1, 1, 11'000);
  run.arrived(2, 2, 23'000);
  run.arrived(1, 3, 25'000, 1);
  const Report report = run.report();
  CHECK(report.troubles().empty());
  CHECK(report.published() == 3);
  CHECK(report.acknowledged == 2);
  CHECK(report.arrived_by_qos[1] == 2);
  CHECK(report.arrived_by_qos[0] == 1);
  CHECK(report.arrival.p50_ms == Approx(20));
  CHECK(report.puback.p99_ms == Approx(1));
}

TEST_CASE("lost is what was acknowledged and did not arrive") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 4);
  run.made(1, 5, 0);  // QoS 0 may be lost
  run.arrived(1, 1, 10);
  const Report report = run.report();
  CHECK(report.lost == 1);
  REQUIRE(report.examples.size() == 1);
  CHECK(report.examples[0] == "a dt/a/t n=2");
  CHECK(report.troubles() == std::vector<std::string>{"1 acknowledged messages lost"});
}

TEST_CASE("what was never acknowledged is not lost, but the run is not clean") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 0);
  run.arrived(1, 1, 10);
  const Report report = run.report();
  CHECK(report.lost == 0);
  CHECK(report.unacknowledged() == 1);
  CHECK_FALSE(report.troubles().empty());
}

TEST_CASE("duplicates are counted by who made them, and are clean") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 4);
  run.arrived(1, 1, 10);
  run.arrived(2, 2, 11);
  run.arrived(1, 1, 12);  // the same record again
  run.arrived(2, 3, 13);  // the device published it again
  const Report report = run.report();
  CHECK(report.resent == 1);
  CHECK(report.republished == 1);
  CHECK(report.stream_inversions == 0);
  CHECK(report.device_inversions == 0);
  CHECK(report.troubles().empty());
}

TEST_CASE("a QoS 2 message may be sent twice and not be stored twice") {
  Run run;
  run.devices.tracks[0].qos = 2;
  run.made(0, 1, 2);
  run.arrived(1, 1, 10);
  run.arrived(1, 1, 11);  // the same record again
  CHECK(run.report().troubles().empty());
  run.cloud.words.emplace_back("copy");
  run.cloud.arrivals.push_back({2, 1, 1, 6, 5, 1, 12});  // another stream has it, too
  CHECK(run.report().troubles().empty());
  run.arrived(1, 2, 13);
  CHECK(run.report().stored_twice == 1);
  CHECK(run.report().troubles() == std::vector<std::string>{"1 QoS 2 messages stored twice"});
}

TEST_CASE("only first arrivals can be out of order") {
  Run run;
  for (int i = 0; i < 3; ++i) run.made(0, 1 + i, 2 + i);
  run.arrived(1, 1, 10);
  run.arrived(3, 3, 11);
  run.arrived(2, 2, 12);  // late
  run.arrived(1, 1, 13);  // a duplicate
  const Report report = run.report();
  CHECK(report.stream_inversions == 1);
  CHECK(report.device_inversions == 1);
  CHECK(report.troubles().size() == 2);
}

TEST_CASE("epochs of a stream are ordered apart") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 4);
  run.cloud.words.emplace_back("e2");
  run.arrived(1, 900, 10);
  run.cloud.arrivals.push_back({2, 1, 2, 4, 6, 1, 11});
  CHECK(run.report().troubles().empty());
}

TEST_CASE("one key for two messages is a conflict") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 4);
  run.arrived(1, 1, 10);
  run.arrived(2, 1, 11);
  const Report report = run.report();
  CHECK(report.key_conflicts == 1);
  CHECK(report.lost == 0);
}

TEST_CASE("declared gaps account for numbers that never came") {
  Run run;
  run.made(0, 1, 2);
  run.made(0, 3, 4);
  run.arrived(1, 1, 10);
  run.arrived(2, 10, 11);
  CHECK(run.report().unseen_sequence == 8);
  run.cloud.gaps.push_back({4, 5, 2, 6});
  const Report report = run.report();
  CHECK(report.declared_gaps == 5);
  CHECK(report.unseen_sequence == 3);
}

TEST_CASE("records of the gateway's own take part in the stream's order only") {
  Run run;
  run.made(0, 1, 2);
  run.arrived(1, 2, 10);
  run.cloud.arrivals.push_back({0, 0, 0, 4, 5, 1, 11});
  const Report report = run.report();
  CHECK(report.other_records == 1);
  CHECK(report.stream_inversions == 1);
}

TEST_CASE("a message of another run is foreign") {
  Run run;
  run.made(0, 1, 2);
  run.arrived(1, 1, 10);
  run.arrived(77, 2, 11);
  run.cloud.words.emplace_back("dt/z/t");
  run.cloud.arrivals.push_back({6, 1, 1, 0, 0, 0, 12});
  CHECK(run.report().foreign == 2);
}

TEST_CASE("steady latency leaves out what an outage touched") {
  Run run;
  run.cloud.outages = {{100 * kMs, 200 * kMs}};
  run.made(0, 10 * kMs, 11 * kMs);   // before
  run.made(0, 99 * kMs, 100 * kMs);  // under way when it broke
  run.made(0, 150 * kMs, 151 * kMs);
  run.made(0, 210 * kMs, 211 * kMs);  // behind the backlog
  run.made(0, 400 * kMs, 401 * kMs);  // after
  run.arrived(1, 1, 12 * kMs);
  run.arrived(2, 2, 250 * kMs);
  run.arrived(3, 3, 300 * kMs);
  run.arrived(4, 4, 301 * kMs);
  run.arrived(5, 5, 404 * kMs);
  const Report report = run.report();
  CHECK(report.arrival.count == 5);
  CHECK(report.arrival_steady.count == 2);
  CHECK(report.arrival_steady.p99_ms == Approx(4));
  CHECK(report.puback_steady.count == 5);
}

TEST_CASE("an outage without an end lasts") {
  Run run;
  run.devices.outages = {{100 * kMs, 0}};
  run.made(0, 10 * kMs, 11 * kMs);
  run.made(0, 900 * kMs, 901 * kMs);
  run.arrived(1, 1, 12 * kMs);
  run.arrived(2, 2, 902 * kMs);
  CHECK(run.report().arrival_steady.count == 1);
}

TEST_CASE("a run without messages, arrivals or an end proves nothing") {
  CHECK(make_report({}, {}).troubles().size() == 3);
}

TEST_CASE("what the devices' own subscriptions missed makes a run unclean") {
  Run run;
  run.made(0, 1, 2);
  run.arrived(1, 1, 10);
  run.devices.local[2].missed = 1;
  REQUIRE(run.report().troubles().size() == 1);
  CHECK(run.report().troubles()[0].find("one-to-many: 1 missed") != std::string::npos);
}

TEST_CASE("a malformed connection that was not closed makes a run unclean") {
  Run run;
  run.made(0, 1, 2);
  run.arrived(1, 1, 10);
  run.devices.faults.malformed = 3;
  CHECK(run.report().troubles().empty());
  run.devices.faults.tolerated = 1;
  CHECK(run.report().troubles().size() == 1);
}

TEST_CASE("several stages of the load are told one by one, a single one is not") {
  Run run;
  run.devices.stages = {{1, 10}};
  run.made(0, 1, 2);
  run.made(0, 2 * kMs * 1000, 2 * kMs * 1000 + 5 * kMs);
  run.arrived(1, 1, 10);
  run.arrived(2, 2, 2 * kMs * 1000 + 9 * kMs);
  CHECK(report_text(run.report(), {}).find("success") == std::string::npos);
  run.devices.stages.push_back({1 * kMs * 1000, 50});
  const auto report = run.report();
  CHECK(report_text(report, {}).find("50 %") != std::string::npos);
  const auto json = nlohmann::json::parse(report_json(report, {}));
  REQUIRE(json["stages"].size() == 2);
  CHECK(json["stages"][1]["percent"] == 50);
  CHECK(json["stages"][1]["puback"]["max_ms"].get<double>() == Approx(5));
}

TEST_CASE("the report is told as text and as JSON") {
  Run run;
  for (int i = 0; i < 1234; ++i) run.made(0, 1 + i, 2 + i);
  for (std::uint64_t n = 1; n <= 1234; ++n) run.arrived(n, n, 5000);
  const Report report = run.report();
  const std::string text = report_text(report, {2468, 20'480});
  CHECK(text.find("1,234") != std::string::npos);
  CHECK(text.find("2000.0 µs a message") != std::string::npos);
  CHECK(text.find("20.0 MiB") != std::string::npos);
  CHECK(text.find("clean: nothing") != std::string::npos);
  const auto json = nlohmann::json::parse(report_json(report, {}));
  CHECK(json["clean"] == true);
  CHECK(json["acknowledged"] == 1234);
  CHECK_FALSE(json.contains("cpu_ms"));
}
