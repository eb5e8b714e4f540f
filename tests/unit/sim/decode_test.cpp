#include "tests/sim/decode.h"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

using namespace tg::sim;

namespace {

// What the decoder wrote into the ledger about one publish.
struct Decoded {
  CloudLog log;
  std::uint64_t records = 0;
};

Decoded decode(std::string_view topic, std::string_view payload) {
  std::string path = "/tmp/tidegate-decode-XXXXXX";
  const int fd = ::mkstemp(path.data());
  REQUIRE(fd >= 0);
  ::close(fd);
  Decoded decoded;
  {
    auto file = LedgerFile::open(path, false);
    REQUIRE(file);
    CloudLedger ledger(std::move(*file));
    ledger.listening(1);
    decoded.records = Decoder(ledger).take(topic, payload, 99);
  }
  const auto text = read_text(path);
  std::remove(path.c_str());
  REQUIRE(text);
  auto log = parse_cloud_log(*text);
  REQUIRE(log);
  decoded.log = std::move(*log);
  return decoded;
}

}  // namespace

TEST_CASE("raw: the payload is the device's message, without a key") {
  const auto [log, records] =
      decode("dt/d1/temperature", R"({"device":"d1","n":5,"t":1,"value":2})");
  CHECK(records == 1);
  REQUIRE(log.arrivals.size() == 1);
  CHECK(log.words[log.arrivals[0].topic] == "dt/d1/temperature");
  CHECK(log.words[log.arrivals[0].device] == "d1");
  CHECK(log.arrivals[0].n == 5);
  CHECK(log.arrivals[0].stream == 0);
  CHECK(log.arrivals[0].time_us == 99);
}

TEST_CASE("json: each record of a batch has its key and its own topic") {
  const auto [log, records] = decode("dt/gw/telemetry", R"({"gateway":"g","stream":"telemetry",
    "epoch":"ab12","first":41,"records":[
    {"seq":41,"topic":"dt/d1/t","client":"d1","time":1,"clock":"synced","payload":{"device":"d1","n":1}},
    {"seq":42,"topic":"dt/d1/t","client":"d1","time":1,"clock":"synced","payload":{"mean":1.5}},
    {"seq":43,"topic":"x","client":"d1","time":1,"clock":"synced","payload":{"base64":"AA=="}},
    {"gap":{"first":44,"last":97,"reason":"max_size"}}]})");
  CHECK(records == 3);
  REQUIRE(log.arrivals.size() == 3);
  CHECK(log.words[log.arrivals[0].topic] == "dt/d1/t");
  CHECK(log.words[log.arrivals[0].epoch] == "ab12");
  CHECK(log.arrivals[0].seq == 41);
  CHECK(log.arrivals[1].n == 0);
  CHECK(log.arrivals[2].seq == 43);
  REQUIRE(log.gaps.size() == 1);
  CHECK(log.gaps[0].first == 44);
  CHECK(log.gaps[0].last == 97);
  CHECK(log.undecodable == 0);
}

TEST_CASE("jsonl: one record a line, and a single line too") {
  const std::string line =
      R"({"gateway":"g","stream":"s","epoch":"e","seq":7,"topic":"dt/d1/t","payload":{"device":"d1","n":1}})";
  CHECK(decode("x", line).log.arrivals.at(0).seq == 7);
  const auto [log, records] = decode("x", line + "\n" + line + "\n");
  CHECK(records == 2);
  CHECK(log.arrivals.size() == 2);
  CHECK(log.undecodable == 0);
}

TEST_CASE("what cannot be decoded is counted") {
  CHECK(decode("x", "not json").log.undecodable == 1);
  CHECK(decode("x", "").log.undecodable == 1);
  CHECK(decode("x", R"({"stream":"s","epoch":"e","records":[{"payload":{}}]})").log.undecodable ==
        1);
  CHECK(decode("x", R"({"records":[{"seq":1,"payload":{}}]})").log.undecodable == 1);
  CHECK(decode("x", "{}\n{").log.undecodable == 2);
}

TEST_CASE("a newline in a topic does not tear the ledger") {
  const Decoded decoded = decode("dt/d1\nS 5", R"({"device":"d1","n":1})");
  REQUIRE(decoded.log.arrivals.size() == 1);
  CHECK(decoded.log.words[decoded.log.arrivals[0].topic] == "dt/d1?S 5");
}
