// A day without the cloud, in process: the real store and the real uplink, a link that fails each
// time, and a clock that is turned.
#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "daemon/uplink/store_source.h"
#include "daemon/uplink/uplink.h"
#include "tests/unit/daemon/store/test_loop.h"
#include "tests/unit/daemon/uplink/fakes.h"

namespace tg::uplink {
namespace {

constexpr std::int64_t kStepMs = 10'000;
constexpr int kSteps = 24 * 3600 / 10;  // a message each
constexpr int kStepsAFlush = 60;

store::StoreOptions with_reader(const store::TempDir& dir) {
  store::StoreOptions options = store::one_stream(dir);
  options.readers = {{"telemetry", "up", store::StartAt::kOldest}};
  return options;
}

UplinkOptions uplink_options() {
  ExportOptions out;
  out.name = "up";
  out.stream = "telemetry";
  out.topic = "up";
  out.format = Format::kJsonl;
  out.batch.max_records = 100;
  UplinkOptions options;
  options.session.name = "cloud";
  options.session.endpoints.resize(2);
  options.session.endpoints[0].host = "first";
  options.session.endpoints[1].host = "second";
  options.gateway_id = "gw";
  options.exports = {out};
  return options;
}

std::vector<store::Seq> sequence_of(const std::vector<cloud::OutgoingPublish>& sent) {
  std::vector<store::Seq> all;
  for (const auto& publish : sent) {
    std::istringstream lines{std::string(publish.payload)};
    for (std::string line; std::getline(lines, line);) {
      all.push_back(nlohmann::json::parse(line).at("seq").get<store::Seq>());
    }
  }
  return all;
}

}  // namespace

TEST_CASE("a day without the cloud costs attempts that are minutes apart, and no message") {
  const store::TempDir dir;
  store::TestLoop loop;
  store::OpenStore store(loop, with_reader(dir));
  FakeLink link;
  FakeLetters letters;
  std::vector<std::unique_ptr<Source>> sources;
  sources.push_back(std::make_unique<StoreSource>(*store, 0, 0, "up"));
  Uplink uplink(uplink_options(), link, std::move(sources), loop.clock, loop.timers, loop.metrics,
                1, letters.take());
  uplink.start();
  for (int step = 1; step <= kSteps; ++step) {
    store.append(0, "dt/a/t", std::to_string(step));
    loop.advance_ms(kStepMs);
    if (link.is_open()) link.lose();
    if (step % kStepsAFlush == 0) store.flush();
    CHECK(store->pending_bytes() < 64 * 1024);
  }
  CHECK(link.sent.empty());
  CHECK(store->status(0).next == kSteps + 1);
  // Full jitter below two minutes: one minute on average, and the steps of this clock beside it.
  CHECK(link.opened.size() > 24 * 3600 / 120);
  CHECK(link.opened.size() < 24 * 3600 / 40);

  while (!link.is_open()) loop.advance_ms(kStepMs);
  link.connect();
  std::size_t acked = 0;
  const auto backlog_is_sent = [&] {
    while (acked < link.sent.size()) link.ack_nth(acked++);
    return store->position(0) > kSteps - 100;
  };
  loop.run_until(backlog_is_sent);
  loop.advance_ms(kStepMs);  // the age of the last batch
  loop.run_until([&] { return backlog_is_sent() && store->position(0) == kSteps + 1; });

  std::vector<store::Seq> wanted(kSteps);
  for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = i + 1;
  CHECK(sequence_of(link.sent) == wanted);
  CHECK(letters.all.empty());
  store.flush();
  CHECK(store->status(0).first == kSteps + 1);
}

}  // namespace tg::uplink
