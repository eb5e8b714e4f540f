#include "daemon/pipeline/dead_letters.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::pipeline {
namespace {

using store::OpenStore;
using store::StreamId;
using store::TempDir;
using store::TestLoop;

constexpr StreamId kTelemetry = 0;
constexpr StreamId kErrors = 1;
constexpr StreamId kLetters = 2;

store::StoreOptions options_of(const TempDir& dir) {
  store::StoreOptions options = store::one_stream(dir);
  options.streams.push_back(store::stream("errors"));
  options.streams.push_back(store::stream(kDeadLetterStream));
  options.readers.push_back({kDeadLetterStream, kDeadLetterReader, store::StartAt::kOldest});
  return options;
}

struct Bench {
  explicit Bench(const TempDir& dir) : store(loop, options_of(dir)) {
    queue = std::make_unique<DeadLetters>(*store, loop.metrics,
                                          [this](std::string_view topic, StreamId stream) {
                                            std::vector<StreamId> streams;
                                            if (topic == "with/action" && stream == kTelemetry)
                                              streams.push_back(kErrors);
                                            return streams;
                                          });
    // Its state has been read when a later request is answered.
    static_cast<void>(store.read(kLetters, 1));
  }

  bool add(store::Seq seq, const std::string& topic = "dt/a",
           const std::string& stream = "telemetry") {
    Cause cause{stream, "export", "00ff", seq, "denied", 1000, 2000, 3};
    std::string tail;
    store::append_tag(tail, store::Tag::kContentType, "text/plain");
    const std::string payload = "payload " + std::to_string(seq);
    store::Record record;
    record.publisher = "device";
    record.topic = topic;
    record.payload = payload;
    record.tail = tail;
    record.received = loop.clock.now();
    return queue->add(cause, record);
  }
  std::vector<std::string> list(std::size_t limit = 100, store::Seq from = 0) {
    std::vector<std::string> all;
    bool done = false;
    queue->list(
        from, limit,
        [&all](const Letter& letter) {
          all.push_back(std::to_string(letter.id) + ':' + std::string(letter.record.payload));
        },
        [&](const Result<store::Seq>& result) {
          REQUIRE(result);
          next = *result;
          done = true;
        });
    loop.run_until([&done] { return done; });
    return all;
  }
  std::uint64_t replay(std::vector<store::Seq> ids) {
    std::uint64_t count = 0;
    bool done = false;
    queue->replay(std::move(ids), [&](const Result<std::uint64_t>& result) {
      REQUIRE(result);
      count = *result;
      done = true;
    });
    loop.run_until([&done] { return done; });
    store.flush();
    return count;
  }

  TestLoop loop;
  OpenStore store;
  std::unique_ptr<DeadLetters> queue;
  store::Seq next = 0;
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("a letter keeps its record whole, with the cause") {
  TempDir dir;
  Bench bench(dir);
  REQUIRE(bench.add(41));
  bench.store.flush();
  CHECK(bench.queue->count() == 1);
  bool visited = false;
  bool done = false;
  bench.queue->list(
      0, 10,
      [&visited](const Letter& letter) {
        visited = true;
        CHECK(letter.id == 1);
        CHECK(letter.cause.stream == "telemetry");
        CHECK(letter.cause.reader == "export");
        CHECK(letter.cause.epoch == "00ff");
        CHECK(letter.cause.seq == 41);
        CHECK(letter.cause.reason == "denied");
        CHECK(letter.cause.first_ms == 1000);
        CHECK(letter.cause.last_ms == 2000);
        CHECK(letter.cause.attempts == 3);
        CHECK(letter.record.topic == "dt/a");
        CHECK(letter.record.publisher == "device");
        CHECK(letter.record.payload == "payload 41");
      },
      [&done](const Result<store::Seq>&) { done = true; });
  bench.loop.run_until([&done] { return done; });
  CHECK(visited);
}

TEST_CASE("letters are listed in pages") {
  TempDir dir;
  Bench bench(dir);
  for (store::Seq seq = 1; seq <= 5; ++seq) REQUIRE(bench.add(seq));
  bench.store.flush();
  CHECK(bench.list(2) == Lines{"1:payload 1", "2:payload 2"});
  CHECK(bench.next == 3);
  CHECK(bench.list(10, 3) == Lines{"3:payload 3", "4:payload 4", "5:payload 5"});
  CHECK(bench.next == 0);
}

TEST_CASE("a replay puts the record back as it was, and the letter is gone") {
  TempDir dir;
  Bench bench(dir);
  for (store::Seq seq = 1; seq <= 3; ++seq) REQUIRE(bench.add(seq));
  bench.store.flush();
  CHECK(bench.replay({2}) == 1);
  CHECK(bench.list() == Lines{"1:payload 1", "3:payload 3"});
  CHECK(bench.queue->count() == 2);
  const auto chunk = bench.store.read(kTelemetry, 1);
  REQUIRE(chunk.records.size() == 1);
  CHECK(chunk.records[0].payload == "payload 2");
  std::string tail;
  store::append_tag(tail, store::Tag::kContentType, "text/plain");
  CHECK(chunk.records[0].tail == tail);
  CHECK(bench.replay({2}) == 0);
  CHECK(bench.replay({}) == 2);
  CHECK(bench.store.payloads(kTelemetry, 1) == Lines{"payload 2", "payload 1", "payload 3"});
  CHECK(bench.queue->count() == 0);
  CHECK(bench.list().empty());
}

TEST_CASE("what is purged stays gone, and is deleted, through a restart") {
  TempDir dir;
  {
    Bench bench(dir);
    for (store::Seq seq = 1; seq <= 6; ++seq) REQUIRE(bench.add(seq));
    bench.store.flush();
    const store::Seq ids[] = {3, 5, 99};
    CHECK(bench.queue->purge(ids) == 2U);
    bench.store.flush();
  }
  Bench bench(dir);
  CHECK(bench.list() == Lines{"1:payload 1", "2:payload 2", "4:payload 4", "6:payload 6"});
  CHECK(bench.queue->count() == 4);
  const store::Seq first[] = {1, 2};
  CHECK(bench.queue->purge(first) == 2U);
  bench.store.flush();
  CHECK(bench.store->position(0) == 4);
  CHECK(bench.queue->purge({}) == 2U);
  bench.store.flush();
  CHECK(bench.queue->count() == 0);
  CHECK(bench.list().empty());
}

TEST_CASE("a route's error action takes the letter instead of the queue") {
  TempDir dir;
  Bench bench(dir);
  REQUIRE(bench.add(1, "with/action"));
  bench.store.flush();
  CHECK(bench.queue->count() == 0);
  const auto chunk = bench.store.read(kErrors, 1);
  REQUIRE(chunk.records.size() == 1);
  const auto cause = read_cause(chunk.records[0]);
  REQUIRE(cause);
  CHECK(cause->reason == "denied");
}

TEST_CASE("a letter whose stream is gone stays at a replay") {
  TempDir dir;
  Bench bench(dir);
  REQUIRE(bench.add(1, "dt/a", "no-such-stream"));
  bench.store.flush();
  CHECK(bench.replay({}) == 0);
  CHECK(bench.queue->count() == 1);
}

TEST_CASE("a malformed cause is none") {
  store::Record record;
  for (const std::string& tail :
       {std::string(), std::string("\x08\x02\x01\x01"), std::string(9, '\xFF')}) {
    record.tail = tail;
    CHECK_FALSE(read_cause(record));
  }
}

}  // namespace tg::pipeline
