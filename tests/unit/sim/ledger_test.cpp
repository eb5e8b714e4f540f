#include "tests/sim/ledger.h"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace tg::sim;

namespace {

class TemporaryFile {
 public:
  TemporaryFile() {
    const int fd = ::mkstemp(path_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/tidegate-ledger-XXXXXX";
};

LedgerFile open_file(const TemporaryFile& file, bool append) {
  auto opened = LedgerFile::open(file.path(), append);
  REQUIRE(opened);
  return std::move(*opened);
}

}  // namespace

TEST_CASE("the devices' ledger is read as it was written") {
  const TemporaryFile file;
  {
    DevicesLedger ledger(open_file(file, false));
    ledger.track({0, 0, "dt/a/temperature", 1, Kind::kTemperature}, "a");
    ledger.track({1, 0, "dt/a/with space", 0, Kind::kVibration}, "a");
    ledger.stage(90, 25);
    ledger.published(0, 1, 100);
    ledger.published(0, 2, 200);
    ledger.down(250);
    ledger.up(260);
    ledger.acknowledged(0, 2, 300);
    ledger.local(Pattern::kOwnTopic, {1, 2, 3, 4, 5, 6, 7, 8});
    ledger.connections({11, 12});
    ledger.faults({1, 2, 3, 4, 5, 6});
    ledger.ended(9);
  }
  const auto log = parse_devices_log(*read_text(file.path()));
  REQUIRE(log);
  REQUIRE(log->tracks.size() == 2);
  CHECK(log->tracks[1].topic == "dt/a/with space");
  CHECK(log->tracks[1].qos == 0);
  REQUIRE(log->tracks[0].samples.size() == 2);
  CHECK(log->tracks[0].samples[0].acknowledged_us == 0);
  CHECK(log->tracks[0].samples[1].made_us == 200);
  CHECK(log->tracks[0].samples[1].acknowledged_us == 300);
  REQUIRE(log->outages.size() == 1);
  CHECK(log->outages[0].end_us == 260);
  CHECK(log->local[1].repeated_qos2 == 4);
  CHECK(log->local[1].missed == 5);
  CHECK(log->local[1].misdirected == 8);
  REQUIRE(log->stages.size() == 1);
  CHECK(log->stages[0].begin_us == 90);
  CHECK(log->stages[0].percent == 25);
  CHECK(log->connections.connects == 11);
  CHECK(log->connections.lost == 12);
  CHECK(log->faults.disconnects == 1);
  CHECK(log->faults.slow_readers == 6);
  CHECK(log->not_sampled == 9);
  CHECK(log->has_ended);
}

TEST_CASE("two lives of the cloud are one log") {
  const TemporaryFile file;
  {
    CloudLedger ledger(open_file(file, true));
    ledger.listening(1);
    ledger.arrived("dt/a/t", "a", 1, {"telemetry", "e1", 7}, 10);
    ledger.cut(20);
  }
  {
    CloudLedger ledger(open_file(file, true));
    ledger.listening(30);
    ledger.other({"rollup", "e1", 3}, 31);
    ledger.arrived("dt/a/t", "a", 2, {"telemetry", "e1", 8}, 32);
    ledger.gap({"telemetry", "e1", 9}, 12);
    ledger.arrived("dt/b/t", "b", 1, {}, 33);
    ledger.undecodable(34);
  }
  const auto log = parse_cloud_log(*read_text(file.path()));
  REQUIRE(log);
  REQUIRE(log->arrivals.size() == 4);
  CHECK(log->arrivals[0].stream == log->arrivals[2].stream);
  CHECK(log->arrivals[0].device == log->arrivals[2].device);
  CHECK(log->words[log->arrivals[1].stream] == "rollup");
  CHECK(log->arrivals[1].n == 0);
  CHECK(log->arrivals[3].stream == 0);
  REQUIRE(log->outages.size() == 1);
  CHECK(log->outages[0].begin_us == 20);
  CHECK(log->outages[0].end_us == 30);
  REQUIRE(log->gaps.size() == 1);
  CHECK(log->gaps[0].last == 12);
  CHECK(log->undecodable == 1);
}

TEST_CASE("a line that a killed writer left unfinished is left out") {
  const auto at_the_end = parse_cloud_log("S 1\nO 0 0 0 5\nO 0 0");
  REQUIRE(at_the_end);
  CHECK(at_the_end->arrivals.size() == 1);
  const auto before_the_next_life = parse_cloud_log("S 1\nO 0 0\nS 2\nO 0 0 0 5\n");
  REQUIRE(before_the_next_life);
  CHECK(before_the_next_life->arrivals.size() == 1);
}

TEST_CASE("a ledger that is not one is refused with its line") {
  const auto log = parse_devices_log("T 0 1 a dt/a\nP 0 one 5\nE 0\n");
  REQUIRE_FALSE(log);
  CHECK(log.error().message == "line 2 of the ledger is not valid");
  CHECK_FALSE(parse_devices_log("P 0 1 5\n"));                // no such track
  CHECK_FALSE(parse_devices_log("T 0 1 a dt/a\nP 0 0 5\n"));  // numbers begin with 1
  CHECK_FALSE(parse_devices_log("T 0 1 a dt/a\nP 0 999999999999 5\n"));
  CHECK_FALSE(parse_devices_log("L 4 1 1 1 1 1 1 1 1\n"));
  CHECK_FALSE(parse_cloud_log("S 1\nA 1 2 3 0 0 0 5\n"));  // words never told
  CHECK_FALSE(parse_cloud_log("S 1\nG 0 0 5 4\n"));
  CHECK_FALSE(parse_cloud_log("hello\n"));
  CHECK_FALSE(parse_devices_log("T 0 3 a dt/a\nE 0\n"));
}

TEST_CASE("a file that is not there is an error, an empty one is not") {
  CHECK_FALSE(read_text("/nonexistent/ledger"));
  const TemporaryFile file;
  const auto text = read_text(file.path());
  REQUIRE(text);
  CHECK(text->empty());
}
