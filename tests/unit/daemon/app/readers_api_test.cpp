// Pause, resume, rewind and discard of readers.
#include <tuple>

#include "tests/unit/daemon/app/api_bench.h"

namespace tg::app {
namespace {

using Catch::Matchers::Contains;
using store::Seq;
using store::TempDir;

store::StoreOptions options_of(const TempDir& dir) {
  auto options = store::one_stream(dir);
  options.readers = {{"telemetry", "cloud", store::StartAt::kOldest},
                     {"telemetry", "slow", store::StartAt::kOldest},
                     {"telemetry", "means", store::StartAt::kOldest}};
  return options;
}

struct Bench : ApiBench {
  explicit Bench(const TempDir& dir) : ApiBench(options_of(dir)) {
    config.exports.resize(2);
    config.exports[0].name = "cloud";
    config.exports[1].name = "slow";
    for (auto& item : config.exports) item.stream = "telemetry";
    config.processors.resize(1);
    config.processors[0].name = "means";
    config.processors[0].input = "telemetry";
    add_readers_api(routes, parts);
  }

  std::pair<unsigned, nlohmann::json> act(const std::string& reader, const std::string& what,
                                          const std::string& body = {}) {
    return ask("POST", "/api/v1/streams/telemetry/readers/" + reader + "/" + what, body);
  }
};

}  // namespace

TEST_CASE("a pause is answered when it is durable") {
  TempDir dir;
  {
    Bench bench(dir);
    const auto [status, answer] = bench.act("cloud", "pause");
    CHECK(status == 200);
    CHECK(answer["paused"] == true);
    CHECK(bench.store->is_paused(0));
    bench.act("means", "pause");
    CHECK(bench.act("means", "resume").second["paused"] == false);
    CHECK(bench.act("nobody", "pause").first == 404);
    CHECK(bench.ask("POST", "/api/v1/streams/other/readers/cloud/pause").first == 404);
  }
  Bench bench(dir);
  CHECK(bench.store->is_paused(0));
  CHECK_FALSE(bench.store->is_paused(1));
  CHECK_FALSE(bench.store->is_paused(2));
}

TEST_CASE("a reader goes back to a record, a time or the oldest, as far as they are stored") {
  TempDir dir;
  Bench bench(dir);
  const auto begin = bench.loop.clock.now().wall_ms;
  for (int i = 0; i < 20; ++i) bench.store.put(0, "x");  // 2 s apart
  bench.store->advance(0, 21);
  bench.store->advance(1, 8);
  bench.store->advance(2, 21);
  bench.store.flush();
  auto [status, answer] = bench.act("cloud", "rewind", R"({"to": 12})");
  CHECK(status == 200);
  CHECK(answer["position"] == 12);
  CHECK(answer["records"] == 9);
  CHECK(bench.store->position(0) == 12);

  const auto tenth = bench.store.read(0, 10).records.front().received.wall_ms;
  CHECK(tenth > begin);
  std::tie(status, answer) =
      bench.act("cloud", "rewind", R"({"to_time": )" + std::to_string(tenth - 1) + "}");
  CHECK(answer["position"] == 10);

  std::tie(status, answer) = bench.act("cloud", "rewind", R"({"to": "oldest"})");
  CHECK(answer["position"] == bench.store->status(0).first);
  CHECK(bench.store->position(1) == 8);
}

TEST_CASE("a rewind that makes no sense is refused with the reason") {
  TempDir dir;
  Bench bench(dir);
  for (int i = 0; i < 5; ++i) bench.store.put(0, "x");
  bench.store->advance(0, 3);
  const auto refusal = [&bench](const std::string& reader, const std::string& body) {
    const auto [status, answer] = bench.act(reader, "rewind", body);
    CHECK(status == 400);
    return answer["error"].get<std::string>();
  };
  CHECK_THAT(refusal("cloud", R"({"to": 3})"), Contains("stands at 3"));
  CHECK_THAT(refusal("cloud", R"({"to": 5})"), Contains("not ahead"));
  CHECK_THAT(refusal("cloud", R"({"to_time": 99999999999999})"), Contains("not ahead"));
  CHECK_THAT(refusal("means", R"({"to": 1})"), Contains("processor"));
  for (const char* body :
       {"", "5", R"({"to": -1})", R"({"to": "newest"})", R"({"to": 1, "x": 2})"}) {
    CHECK_THAT(refusal("cloud", body), Contains("the body must be"));
  }
  CHECK(bench.store->position(0) == 3);
}

TEST_CASE("only a detached reader is discarded, and nothing else is done to it") {
  TempDir dir;
  {
    Bench bench(dir);
    CHECK(bench.act("slow", "discard").first == 409);
    CHECK(bench.act("nobody", "discard").first == 404);
    bench.store.put(0, "x");
    auto options = options_of(dir);
    options.readers.erase(options.readers.begin() + 1);
    bool done = false;
    bench.store->reconfigure(options, [&done] { done = true; });
    bench.store.flush();
    REQUIRE(done);
    const auto [status, answer] = bench.act("slow", "pause");
    CHECK(status == 409);
    CHECK_THAT(answer["error"].get<std::string>(), Contains("detached"));
    CHECK(bench.act("slow", "rewind", R"({"to": "oldest"})").first == 409);
    CHECK(bench.act("slow", "discard").second["discarded"] == true);
    CHECK(bench.act("slow", "discard").first == 404);
    CHECK(bench.act("slow", "pause").first == 404);
  }
  auto options = options_of(dir);
  options.readers.erase(options.readers.begin() + 1);
  ApiBench again(options);
  CHECK(again.store->readers().size() == 2);
}

}  // namespace tg::app
