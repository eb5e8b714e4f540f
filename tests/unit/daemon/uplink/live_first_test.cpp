#include "daemon/uplink/live_first.h"

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/daemon/uplink/fakes.h"

using namespace tg;
using namespace tg::uplink;

namespace {

// Sends what is asked for, as a session would; payloads are the sequence numbers.
struct Bench {
  FakeTime time;
  Metrics metrics;
  FakeLetters letters;
  FakeSource& source;
  std::unique_ptr<LiveFirst> exports;
  Sender* backlog = nullptr;
  Sender* live = nullptr;
  std::uint64_t last_id = 0;

  explicit Bench(FakeSource& stream) : source(stream) {
    ExportOptions options;
    options.name = "export";
    options.stream = "telemetry";
    options.topic = "t";
    options.format = Format::kRaw;
    exports = std::make_unique<LiveFirst>(options, "gw", false, source, time.clock, time.timers,
                                          metrics, letters.take(), [] {});
    backlog = exports->senders()[0];
    live = exports->senders()[1];
  }
  void append(std::size_t count) {
    source.append_count(count);
    exports->on_advanced();
    source.answer();
  }
  void link_up() {
    backlog->link_up(SIZE_MAX);
    live->link_up(SIZE_MAX);
    source.answer();
  }
  void link_closed() {
    backlog->link_closed({});
    live->link_closed({});
  }
  // The next publish of a lane, 0 = none.
  int take(Sender* lane) {
    if (!lane->is_ready()) return 0;
    const int seq = std::stoi(lane->take(++last_id).payload);
    source.answer();
    return seq;
  }
  int send(Sender* lane) {
    const int seq = take(lane);
    if (seq != 0) lane->acked(last_id);
    return seq;
  }
};

}  // namespace

TEST_CASE("after an outage new records go beside the old ones, each in its order") {
  FakeSource source;
  Bench bench(source);
  bench.source.append_count(10);
  bench.link_up();
  bench.append(2);
  CHECK(bench.send(bench.live) == 11);
  CHECK(bench.send(bench.backlog) == 1);
  CHECK(bench.send(bench.live) == 12);
  CHECK(bench.send(bench.live) == 0);
  for (int seq = 2; seq <= 10; ++seq) CHECK(bench.send(bench.backlog) == seq);
  CHECK(bench.send(bench.backlog) == 0);
  CHECK(bench.source.cursor == 13);
  bench.append(1);
  CHECK(bench.send(bench.live) == 13);
  CHECK(bench.source.cursor == 14);
  CHECK(bench.exports->status().backlog == 0);
}

TEST_CASE("the cursor waits for the backlog; what was sent live is not sent again") {
  FakeSource source;
  Bench bench(source);
  bench.source.append_count(5);
  bench.link_up();
  bench.append(5);
  for (int seq = 6; seq <= 9; ++seq) CHECK(bench.send(bench.live) == seq);
  CHECK(bench.take(bench.live) == 10);  // not acknowledged
  CHECK(bench.send(bench.backlog) == 1);
  CHECK(bench.source.cursor == 2);
  bench.link_closed();
  bench.source.append_count(5);
  bench.link_up();
  bench.append(1);
  CHECK(bench.exports->status().backlog == 11);  // 2 to 5 and 10 to 16
  CHECK(bench.send(bench.live) == 16);
  for (const int seq : {2, 3, 4, 5, 10, 11, 12, 13, 14, 15})
    CHECK(bench.send(bench.backlog) == seq);
  CHECK(bench.send(bench.backlog) == 0);
  CHECK(bench.source.cursor == 17);
}

TEST_CASE("a restart knows the acknowledged ranges") {
  FakeSource source;
  {
    Bench bench(source);
    bench.source.append_count(5);
    bench.link_up();
    bench.append(5);
    CHECK(bench.send(bench.backlog) == 1);
    for (int seq = 6; seq <= 8; ++seq) CHECK(bench.send(bench.live) == seq);
    bench.time.advance_ms(LiveFirst::kSaveMs);
  }
  CHECK(source.cursor == 2);
  Bench bench(source);
  bench.link_up();
  for (const int seq : {2, 3, 4, 5, 9, 10}) CHECK(bench.send(bench.backlog) == seq);
  CHECK(bench.send(bench.backlog) == 0);
  CHECK(source.cursor == 11);
}

TEST_CASE("both lanes of a paused export hold, and both go on") {
  FakeSource source;
  Bench bench(source);
  bench.source.append_count(3);
  bench.link_up();
  bench.append(3);
  bench.source.paused = true;
  CHECK(bench.send(bench.backlog) == 0);
  CHECK(bench.send(bench.live) == 0);
  bench.source.paused = false;
  bench.exports->on_advanced();
  bench.source.answer();
  for (int seq = 1; seq <= 3; ++seq) CHECK(bench.send(bench.backlog) == seq);
  for (int seq = 4; seq <= 6; ++seq) CHECK(bench.send(bench.live) == seq);
  CHECK(bench.source.cursor == 7);
}

TEST_CASE("what a live-first export is set back to is sent again, live acknowledgements or not") {
  FakeSource source;
  Bench bench(source);
  bench.source.append_count(4);
  bench.link_up();
  bench.append(4);
  CHECK(bench.send(bench.backlog) == 1);
  CHECK(bench.take(bench.backlog) == 2);
  const auto old = bench.last_id;
  for (int seq = 5; seq <= 8; ++seq) CHECK(bench.send(bench.live) == seq);
  bench.time.advance_ms(LiveFirst::kSaveMs);
  bench.source.cursor = 1;
  bench.exports->on_rewound();
  bench.source.answer();
  bench.backlog->acked(old);
  CHECK(bench.source.cursor == 1);
  bench.append(1);
  CHECK(bench.send(bench.live) == 9);
  for (int seq = 1; seq <= 8; ++seq) CHECK(bench.send(bench.backlog) == seq);
  CHECK(bench.send(bench.backlog) == 0);
  CHECK(bench.source.cursor == 10);

  // Nothing of before is known to the next run.
  bench.source.cursor = 1;
  bench.exports->on_rewound();
  Bench next(source);
  next.link_up();
  for (int seq = 1; seq <= 9; ++seq) CHECK(next.send(next.backlog) == seq);
}

TEST_CASE(
    "whatever is cut and whenever, every record arrives and the cursor ends behind the last") {
  for (std::uint32_t seed = 1; seed <= 30; ++seed) {
    FakeSource source;
    std::uint32_t state = seed;
    const auto dice = [&state](std::uint32_t sides) {
      state = state * 1664525 + 1013904223;
      return (state >> 16) % sides;
    };
    std::set<int> arrived;
    std::map<int, int> times;
    auto bench = std::make_unique<Bench>(source);
    bench->source.append_count(20);
    for (int round = 0; round < 30; ++round) {
      bench->link_up();
      std::vector<std::pair<Sender*, std::uint64_t>> in_flight;
      for (int i = 0; i < 12; ++i) {
        if (dice(3) == 0) bench->append(dice(3));
        Sender* lane = dice(2) == 0 ? bench->live : bench->backlog;
        const int seq = bench->take(lane);
        if (seq == 0) continue;
        arrived.insert(seq);
        ++times[seq];
        in_flight.emplace_back(lane, bench->last_id);
        if (dice(2) == 0) {  // an ack, out of order
          const std::size_t which = dice(static_cast<std::uint32_t>(in_flight.size()));
          in_flight[which].first->acked(in_flight[which].second);
          in_flight.erase(in_flight.begin() + static_cast<std::ptrdiff_t>(which));
          bench->source.answer();
        }
      }
      bench->link_closed();
      if (dice(8) == 0) {
        bench->time.advance_ms(LiveFirst::kSaveMs);
        bench = std::make_unique<Bench>(source);
      }
    }
    bench->link_up();
    while (true) {
      const int old = bench->send(bench->backlog);
      const int now = bench->send(bench->live);
      if (old != 0) arrived.insert(old);
      if (now != 0) arrived.insert(now);
      if (old == 0 && now == 0) break;
    }
    INFO("seed " << seed);
    CHECK(arrived.size() == source.payloads.size());
    CHECK(source.cursor == source.next());
  }
}
