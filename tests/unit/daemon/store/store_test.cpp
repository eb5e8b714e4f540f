#include "daemon/store/store.h"

#include <sqlite3.h>

#include <random>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

void sql(const TempDir& dir, const std::string& text) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(database);
}

int count_segments(const TempDir& dir) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &database) == SQLITE_OK);
  int count = -1;
  sqlite3_exec(
      database, "SELECT count(*) FROM segment_1",
      [](void* target, int, char** values, char**) {
        *static_cast<int*>(target) = std::atoi(values[0]);
        return 0;
      },
      &count, nullptr);
  sqlite3_close(database);
  return count;
}

}  // namespace

TEST_CASE("a token is answered only after its commit, and in order") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  for (Token token = 1; token <= 50; ++token) {
    store.append(0, "t", "x");
    store->await(token);
  }
  CHECK(store.committed.empty());
  loop.run_until([&store] { return store.committed.size() == 50; });
  for (Token token = 1; token <= 50; ++token) CHECK(store.committed[token - 1] == token);
  CHECK(store.payloads(0, 1).size() == 50);
}

TEST_CASE("what is read is what was appended, from any point on") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  for (int i = 1; i <= 100; ++i) store.append(0, "t", std::to_string(i));
  store.flush();
  const Chunk chunk = store.read(0, 42);
  CHECK(chunk.asked == 42);
  CHECK(chunk.first == 42);
  REQUIRE(chunk.records.size() == 59);
  CHECK(chunk.records.front().payload == "42");
  CHECK(chunk.records.back().payload == "100");
}

TEST_CASE("reading at the end gives an empty chunk without a gap") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  CHECK(store.read(0, 1).records.empty());
  store.put(0, "x");
  const Chunk chunk = store.read(0, 2);
  CHECK(chunk.records.empty());
  CHECK(chunk.first == 2);
}

TEST_CASE("a commit waits for its interval after the one before, but not after a pause") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].commit_interval_ms = 100;
  OpenStore store(loop, std::move(options));
  loop.advance_ms(1000);
  store.append(0, "t", "1");
  store->await(1);
  loop.run_until([&store] { return store.committed.size() == 1; });
  store.append(0, "t", "2");
  store->await(2);
  loop.advance_ms(99);
  CHECK(store->pending_bytes() > 0);
  CHECK(store.committed.size() == 1);
  loop.advance_ms(1);
  loop.run_until([&store] { return store.committed.size() == 2; });
}

TEST_CASE("an urgent stream's commit takes the others along") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].commit_interval_ms = 10'000;
  options.streams.push_back(stream("alarms"));
  options.streams[1].commit_interval_ms = 0;
  OpenStore store(loop, std::move(options));
  loop.advance_ms(20'000);
  store.append(0, "t", "first");
  store->await(1);
  loop.run_until([&store] { return store.committed.size() == 1; });
  store.append(0, "t", "slow");
  store->await(2);
  store.append(1, "a", "urgent");
  store->await(3);
  loop.run_until([&store] { return store.committed.size() == 3; });
  CHECK(store.committed == std::vector<Token>{1, 2, 3});
}

TEST_CASE("records, epoch, sequence and positions survive a restart") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "up", StartAt::kOldest}};
  std::string epoch;
  {
    OpenStore store(loop, options);
    epoch = store->epoch();
    for (int i = 1; i <= 10; ++i) store.put(0, std::to_string(i));
    store->advance(0, 4);
  }
  OpenStore store(loop, options);
  CHECK(store->epoch() == epoch);
  CHECK(epoch.size() == 16);
  CHECK(store->position(0) == 4);
  CHECK(store->status(0).next == 11);
  CHECK(store.payloads(0, 4).front() == "4");
  CHECK(store.put(0, "11") == 11);
}

TEST_CASE("a sequence number is never used again, even after everything was deleted") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "up", StartAt::kOldest}};
  {
    OpenStore store(loop, options);
    for (int i = 0; i < 5; ++i) store.put(0, "x");
    store->advance(0, 6);
    store.flush();
    CHECK(store->status(0).first == 6);
    CHECK(store->status(0).bytes == 0);
  }
  OpenStore store(loop, options);
  CHECK(store.put(0, "y") == 6);
}

TEST_CASE("records are deleted when every reader has passed them, not before") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "a", StartAt::kOldest}, {"telemetry", "b", StartAt::kOldest}};
  OpenStore store(loop, options);
  for (int i = 0; i < 8; ++i) store.put(0, "x");
  store->advance(0, 9);
  store.flush();
  CHECK(store->status(0).first == 1);
  store->advance(1, 5);
  store.flush();
  CHECK(store->status(0).first == 5);
  store->advance(1, 9);
  store.flush();
  CHECK(store->status(0).first == 9);
}

TEST_CASE("a reader that leaves the configuration is detached and still holds its records") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "old", StartAt::kOldest}};
  {
    OpenStore store(loop, options);
    for (int i = 0; i < 5; ++i) store.put(0, "x");
  }
  options.readers = {{"telemetry", "new", StartAt::kOldest}};
  {
    OpenStore store(loop, options);
    const auto readers = store->readers();
    REQUIRE(readers.size() == 2);
    CHECK(readers[1].name == "old");
    CHECK(readers[1].detached);
    store->advance(0, 6);
    store.flush();
    CHECK(store->status(0).first == 1);
  }
  options.readers.push_back({"telemetry", "old", StartAt::kNow});
  OpenStore store(loop, options);
  CHECK(store->position(1) == 1);
}

TEST_CASE("a new reader starts at the oldest record or at the end") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, one_stream(dir));
    for (int i = 0; i < 5; ++i) store.put(0, "x");
  }
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "all", StartAt::kOldest}, {"telemetry", "fresh", StartAt::kNow}};
  OpenStore store(loop, options);
  CHECK(store->position(0) == 1);
  CHECK(store->position(1) == 6);
}

TEST_CASE("one-record commits are merged and keep their content and numbers") {
  TempDir dir;
  TestLoop loop;
  std::mt19937 random(11);
  std::vector<std::string> expected;
  {
    OpenStore store(loop, one_stream(dir));
    for (int i = 0; i < 1000; ++i) {
      expected.push_back(std::to_string(i) + std::string(random() % 300, 'p'));
      store.put(0, expected.back());
    }
    CHECK(store.payloads(0, 1) == expected);
  }
  CHECK(count_segments(dir) < 40);
  OpenStore store(loop, one_stream(dir));
  CHECK(store.payloads(0, 1) == expected);
  const Chunk chunk = store.read(0, 777);
  CHECK(chunk.records.front().payload == expected[776]);
}

TEST_CASE("a reader that follows closely sees no gap while segments are merged under it") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].commit_interval_ms = 0;
  OpenStore store(loop, std::move(options));
  constexpr Seq kLast = 3000;
  Seq appended = 0;
  Seq next = 1;
  Seq gaps = 0;
  bool reading = false;
  while (next <= kLast) {
    if (!reading) {
      reading = true;
      store->read(0, next, 1 << 16, [&](Result<Chunk> chunk) {
        reading = false;
        REQUIRE(chunk);
        gaps += chunk->first - chunk->asked;
        next = chunk->end();
      });
    }
    if (appended < kLast && store->pending_bytes() == 0) appended = store.append(0, "t", "x");
    const Seq before = next;
    const auto pending = store->pending_bytes();
    loop.run_until([&] { return !reading || next != before || store->pending_bytes() != pending; });
  }
  CHECK(gaps == 0);
}

TEST_CASE("a full stream drops its oldest records, counts them, and a reader sees the gap") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_size = 200'000;
  options.readers = {{"telemetry", "up", StartAt::kOldest}};
  OpenStore store(loop, options);
  const std::string payload(10'000, 'x');
  for (int i = 0; i < 60; ++i) store.put(0, payload);
  const auto status = store->status(0);
  CHECK(status.bytes <= 200'000);
  CHECK(status.first > 30);
  CHECK(status.evicted == status.first - 1);
  const Chunk chunk = store.read(0, 1);
  CHECK(chunk.asked == 1);
  CHECK(chunk.first == status.first);
  CHECK(chunk.gap_reason == "max_size");
  CHECK(store->status(0).next == 61);
}

TEST_CASE("a reader sees the gap when the stream has no records left") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_age_ms = 3'600'000;
  options.readers = {{"telemetry", "up", StartAt::kOldest}};
  OpenStore store(loop, options);
  store.put(0, "1");
  store.put(0, "2");
  loop.advance_ms(3'700'000);
  store.flush();
  REQUIRE(store->status(0).first == 3);
  const Chunk chunk = store.read(0, 1);
  CHECK(chunk.asked == 1);
  CHECK(chunk.first == 3);
  CHECK(chunk.records.empty());
  CHECK(chunk.gap_reason == "max_age");
}

TEST_CASE("a full stream with reject refuses and one with drop-newest discards") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_size = 1000;
  options.streams[0].when_full = WhenFull::kReject;
  options.streams.push_back(stream("other"));
  options.streams[1].max_size = 1000;
  options.streams[1].when_full = WhenFull::kDropNewest;
  OpenStore store(loop, options);
  const StreamId both[] = {0, 1};
  const StreamId second[] = {1};
  CHECK(store->admit(both, 900) == Admission::kYes);
  store.put(0, std::string(800, 'x'));
  store.put(1, std::string(800, 'x'));
  CHECK(store->admit(both, 900) == Admission::kFull);
  CHECK(store->admit(second, 900) == Admission::kDiscard);
}

TEST_CASE("records over max_age are deleted, by the monotonic clock within a boot") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_age_ms = 3'600'000;
  OpenStore store(loop, options);
  store.put(0, "old");
  SECTION("when the time has passed") {
    loop.advance_ms(3'700'000);
    store.flush();
    CHECK(store->status(0).first == 2);
  }
  SECTION("not because the wall clock jumped") {
    loop.clock.step_wall_ms(50LL * 365 * 86'400'000);
    store.put(0, "new");
    CHECK(store->status(0).first == 1);
  }
  SECTION("not while the clock is not synchronised") {
    loop.clock.set_quality(ClockQuality::kUnsynchronised);
    loop.advance_ms(3'700'000);
    store.flush();
    CHECK(store->status(0).first == 1);
  }
}

TEST_CASE("pending bytes are bounded and room is announced") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.pending_bytes = 10'000;
  OpenStore store(loop, options);
  const StreamId streams[] = {0};
  REQUIRE(store->admit(streams, 6000) == Admission::kYes);
  store.append(0, "t", std::string(6000, 'x'));
  CHECK(store->admit(streams, 6000) == Admission::kBusy);
  loop.run_until([&store] { return store.rooms == 1; });
  CHECK(store->admit(streams, 6000) == Admission::kYes);
}

TEST_CASE("appends, state and a position of one handler are there together or not at all") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "p", StartAt::kOldest}};
  {
    OpenStore store(loop, options);
    store.put(0, "in");
    store.append(0, "t", "out");
    store->put_state("p", "key", "value");
    store->put_state("p", "gone", "x");
    store->put_state("p", "gone", "");
    store->advance(0, 2);
    store.flush();
  }
  OpenStore store(loop, options);
  CHECK(store->position(0) == 2);
  std::vector<std::pair<std::string, std::string>> entries;
  bool done = false;
  store->get_state("p", [&](auto answer) {
    REQUIRE(answer);
    entries = *answer;
    done = true;
  });
  loop.run_until([&done] { return done; });
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].first == "key");
  CHECK(entries[0].second == "value");
}

TEST_CASE("a damaged segment becomes a gap and the rest is served") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, one_stream(dir));
    for (int i = 1; i <= 3; ++i) store.put(0, std::to_string(i));
  }
  SECTION("at the front") {
    sql(dir, "UPDATE segment_1 SET data = zeroblob(length(data)) WHERE first_seq = 1");
    OpenStore store(loop, one_stream(dir));
    const Chunk chunk = store.read(0, 1);
    CHECK(chunk.asked == 1);
    CHECK(chunk.first == 2);
    CHECK(chunk.gap_reason == "corrupt");
    CHECK(chunk.records.size() == 2);
  }
  SECTION("in the middle") {
    sql(dir, "UPDATE segment_1 SET crc = crc + 1 WHERE first_seq = 2");
    OpenStore store(loop, one_stream(dir));
    CHECK(store.read(0, 1).records.size() == 1);
    const Chunk chunk = store.read(0, 2);
    CHECK(chunk.first == 3);
    CHECK(chunk.records.size() == 1);
  }
  SECTION("at the end") {
    sql(dir, "UPDATE segment_1 SET crc = crc + 1 WHERE first_seq = 3");
    OpenStore store(loop, one_stream(dir));
    const Chunk chunk = store.read(0, 3);
    CHECK(chunk.records.empty());
    CHECK(chunk.first == 4);
  }
}

TEST_CASE("a creation that a kill cut short is begun again") {
  TempDir dir;
  TempDir killed;
  TestLoop loop;
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &database) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database,
                       "PRAGMA cache_size=1; BEGIN; CREATE TABLE half(made);"
                       "INSERT INTO half VALUES(zeroblob(100000))",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
  for (const char* name : {"streams.db", "streams.db-journal"}) {
    std::filesystem::copy(dir.path / name, killed.path / name);
  }
  sqlite3_close(database);
  OpenStore store(loop, one_stream(killed));
  CHECK(store.put(0, "first") == 1);
}

TEST_CASE("a data directory that cannot be made is an error that names it") {
  TestLoop loop;
  StoreOptions options;
  options.directory = "/proc/no-such-place/data";
  options.streams = {stream("s")};
  const auto opened = Store::open(options, loop.clock, loop.timers, loop.post(), loop.metrics);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("/proc/no-such-place/data"));
}

TEST_CASE("a commit that fails is tried again and its tokens wait for it") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  store.put(0, "1");
  // Another connection holds the write lock longer than SQLite waits.
  sqlite3* other = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  store.append(0, "t", "2");
  store->await(7);
  loop.advance_ms(1000);
  loop.run_until([&store] { return !store.healths.empty(); });
  CHECK(store.healths.back() == Health::kFailing);
  CHECK(store.committed.empty());
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  loop.advance_ms(1000);
  loop.run_until([&store] { return store.committed.size() == 1; });
  CHECK(store->health() == Health::kOk);
  CHECK(store.payloads(0, 1) == std::vector<std::string>{"1", "2"});
}

TEST_CASE("the WAL is copied into the database while the store runs") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, one_stream(dir));
  const auto file = dir.path / "streams.db";
  for (int i = 0; i < 200; ++i) store.put(0, std::string(40'000, 'x'));
  CHECK(std::filesystem::file_size(file) > 4'000'000);
  CHECK(std::filesystem::file_size(dir.path / "streams.db-wal") <= 8U << 20U);
}

}  // namespace tg::store
