// Export and import of records.
#include "tests/unit/daemon/app/api_bench.h"

namespace tg::app {
namespace {

using Catch::Matchers::Contains;
using store::TempDir;

constexpr const char* kRecords = "/api/v1/streams/telemetry/records";

struct Bench : ApiBench {
  explicit Bench(store::StoreOptions options) : ApiBench(std::move(options)) {
    add_streams_api(routes, parts);
  }
};

}  // namespace

TEST_CASE("what is exported can be imported, and gets new numbers") {
  TempDir dir;
  Bench bench(store::one_stream(dir));
  for (const char* payload : {"{\"a\": 1.0}", "text"}) bench.store.put(0, payload);
  const auto [status, page] = bench.ask("GET", std::string(kRecords) + "?from=1&encoding=base64");
  CHECK(status == 200);
  std::string lines;
  for (const auto& record : page["records"]) lines += record.dump() + "\n\n";
  const auto [code, answer] = bench.ask("POST", kRecords, lines);
  CHECK(code == 200);
  CHECK(answer["imported"] == 2);
  CHECK(answer["first"] == 3);
  const auto chunk = bench.store.read(0, 1);
  REQUIRE(chunk.records.size() == 4);
  CHECK(chunk.records[2].payload == "{\"a\": 1.0}");
  CHECK(chunk.records[3].payload == "text");
  CHECK(chunk.records[2].received.wall_ms == chunk.records[0].received.wall_ms);
}

TEST_CASE("a lot of lines is stored whole or not at all; the wrong one is named") {
  TempDir dir;
  Bench bench(store::one_stream(dir));
  const std::string good = R"({"topic":"a","payload":1})"
                           "\n";
  const auto [status, answer] = bench.ask("POST", kRecords, good + "\n" + good + "{\"topic\"");
  CHECK(status == 400);
  CHECK(answer["line"] == 4);
  CHECK(bench.store->status(0).next == 1);
  CHECK(bench.ask("POST", kRecords, "").second["imported"] == 0);
  CHECK(bench.ask("POST", kRecords, "{\"gap\":{}}").second["gaps"] == 1);
  CHECK(bench.ask("POST", "/api/v1/streams/nowhere/records", good).first == 404);
}

TEST_CASE("the time until a stream is full: by its own limit, or by the room of the store") {
  TempDir dir;
  Bench bench(store::one_stream(dir));
  Rates rates;
  bench.config.streams.emplace_back();
  bench.config.streams.back().name = "telemetry";
  const auto full_in_s = [&](std::uint64_t max_size, double bytes_per_s) {
    bench.config.streams.back().max_size = max_size;
    rates = {};
    rates.add("bytes/telemetry", 0, 0);
    rates.add("bytes/telemetry", 10'000, bytes_per_s * 10);
    return bench.ask("GET", "/api/v1/streams").second["streams"][0]["full_in_s"];
  };
  bench.rates = &rates;
  bench.store.put(0, std::string(1000, 'x'));
  const auto bytes = bench.store->status(0).bytes;
  CHECK(full_in_s(bytes + 5000, 100) == 50.0);
  CHECK(full_in_s(bytes / 2, 100) == 0.0);
  CHECK(full_in_s(bytes + 5000, 0) == nullptr);
  CHECK(full_in_s(bytes + 5000, -7) == nullptr);
  const auto room = static_cast<double>(bench.store->space().room_bytes);
  CHECK(full_in_s(std::uint64_t{1} << 60, 1000) == room / 1000);
}

TEST_CASE("a look at a stream that was evicted whole tells what is gone") {
  TempDir dir;
  auto options = store::one_stream(dir);
  options.streams[0].max_age_ms = 1000;
  Bench bench(options);
  bench.store.put(0, "a");
  bench.store.put(0, "b");
  bench.loop.advance_ms(600'000);
  bench.loop.run_until([&] {
    bench.loop.advance_ms(1000);
    return bench.store->status(0).first == 3;
  });
  const auto [status, page] = bench.ask("GET", std::string(kRecords) + "?from=1");
  CHECK(status == 200);
  REQUIRE(page["records"].size() == 1);
  CHECK(page["records"][0]["gap"]["first"] == 1);
  CHECK(page["records"][0]["gap"]["last"] == 2);
  CHECK(bench.ask("GET", kRecords).second["records"].empty());
}

TEST_CASE("a full stream and one that is busy say so") {
  TempDir dir;
  const std::string line = R"({"topic":"a","payload":")" + std::string(3000, 'x') + "\"}\n";
  SECTION("full") {
    auto options = store::one_stream(dir);
    options.streams[0].when_full = store::WhenFull::kReject;
    options.streams[0].max_size = 4096;
    Bench bench(options);
    CHECK(bench.ask("POST", kRecords, line).first == 200);
    const auto [status, answer] = bench.ask("POST", kRecords, line);
    CHECK(status == 507);
    CHECK_THAT(answer["error"].get<std::string>(), Contains("full"));
  }
  SECTION("busy") {
    auto options = store::one_stream(dir);
    options.pending_bytes = 4096;
    Bench bench(options);
    bench.store.append(0, "t", std::string(3000, 'x'));
    CHECK(bench.ask("POST", kRecords, line).first == 409);
    bench.store.flush();
    CHECK(bench.ask("POST", kRecords, line).first == 200);
  }
}

}  // namespace tg::app
