// One budget over all files, who gives way when it is used up, encryption and compression on disk.
#include <sqlite3.h>

#include <fstream>
#include <iterator>

#include "daemon/store/space.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

constexpr std::uint64_t kBudget = kWalBytes + (6 << 20);

std::string all_files(const TempDir& dir) {
  std::string all;
  for (const char* name : {"streams.db", "streams.db-wal"}) {  // the -shm is made anew each time
    std::ifstream input(dir.path / name, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(input), {});
  }
  return all;
}

std::uint64_t size_of_all(const TempDir& dir) {
  std::uint64_t sum = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path)) sum += entry.file_size();
  return sum;
}

StreamOptions stream(std::string name, int priority, WhenFull when_full) {
  StreamOptions options;
  options.name = std::move(name);
  options.priority = priority;
  options.when_full = when_full;
  return options;
}

StoreOptions budget(const TempDir& dir) {
  StoreOptions options;
  options.directory = dir.path;
  options.space.max_bytes = kBudget;
  options.streams = {stream("bulk", 9, WhenFull::kDropOldest),
                     stream("normal", 5, WhenFull::kDropOldest),
                     stream("alarms", 1, WhenFull::kReject)};
  options.readers = {{"bulk", "cloud", StartAt::kOldest}, {"alarms", "alarms", StartAt::kOldest}};
  return options;
}

const std::string kPayload(20'000, 'x');

void put_many(OpenStore& store, StreamId stream, int count) {
  for (int i = 0; i < count; ++i) store.put(stream, kPayload);
}

double evicted(TestLoop& loop, const std::string& stream, const std::string& reason) {
  return static_cast<double>(loop.metrics
                                 .counter("tidegate_store_evicted_total",
                                          "Records evicted by a limit",
                                          {{"stream", stream}, {"reason", reason}})
                                 .value());
}

}  // namespace

TEST_CASE("all files together stay within the budget, and the lowest priority gives way first") {
  TempDir dir;
  TestLoop loop;
  OpenStore store(loop, budget(dir));
  put_many(store, 1, 50);
  put_many(store, 0, 400);
  CHECK(size_of_all(dir) <= kBudget);
  CHECK(store->space().used_bytes <= kBudget);
  CHECK(store->space().limit_bytes == kBudget);
  CHECK(store->status(0).evicted > 100);
  CHECK(store->status(1).evicted == 0);
  CHECK(evicted(loop, "bulk", "store_max_size") == static_cast<double>(store->status(0).evicted));

  SECTION("a stream of a higher priority takes the room of those below, in order") {
    put_many(store, 1, 400);
    CHECK(size_of_all(dir) <= kBudget);
    CHECK(store->status(0).first == store->status(0).next);
    CHECK(store->status(1).evicted > 0);
  }
  SECTION("a reader that was passed over sees one gap with the reason, and it is counted") {
    const Chunk chunk = store.read(0, 1);
    CHECK(chunk.first == store->status(0).first);
    CHECK(chunk.gap_reason == "store_max_size");
    CHECK(store->readers()[0].missed == store->status(0).evicted);
  }
  SECTION("a stream that rejects is never evicted, and is full when nothing may give way") {
    const StreamId alarms[] = {2};
    int stored = 0;
    while (store->admit(alarms, kPayload.size()) == Admission::kYes) {
      store.put(2, kPayload);
      ++stored;
      REQUIRE(stored < 400);
    }
    CHECK(stored > 150);
    CHECK(store->status(0).bytes == 0);
    CHECK(store->status(1).bytes < 8 * kPayload.size());  // page ends are allowed for
    CHECK(store->status(2).evicted == 0);
    CHECK(size_of_all(dir) <= kBudget);
    const Seq before = store->status(1).next;
    store.put(1, kPayload);  // of a lower priority: the new record has to go
    CHECK(store->status(1).next == before + 1);
    CHECK(store->status(1).bytes < 8 * kPayload.size());
    store->advance(1, store->status(2).next);
    store.flush();
    CHECK(store->admit(alarms, kPayload.size()) == Admission::kYes);
  }
}

TEST_CASE("what is to be left to others is left: the store does not grow into it") {
  TempDir dir;
  TestLoop loop;
  auto options = budget(dir);
  options.space = {0, 0, UINT64_MAX / 4};
  OpenStore store(loop, options);
  const StreamId alarms[] = {2};
  CHECK(store->admit(alarms, 1000) == Admission::kFull);
  store.put(0, kPayload);
  CHECK(store->status(0).bytes == 0);
  CHECK(evicted(loop, "bulk", "store_min_free") == 1);
}

TEST_CASE("a group that finds no room waits, and takes in what frees it") {
  TempDir dir;
  TestLoop loop;
  auto options = budget(dir);
  options.streams.resize(2);
  options.streams[0].when_full = WhenFull::kReject;
  options.streams[1].when_full = WhenFull::kReject;
  options.readers = {{"bulk", "cloud", StartAt::kOldest}};
  OpenStore store(loop, options);
  const StreamId bulk[] = {0};
  while (store->admit(bulk, kPayload.size()) == Admission::kYes) store.put(0, kPayload);
  // Past the admission, as a processor's outputs may be.
  for (int i = 0; i < 100; ++i) store.append(0, "t", kPayload);
  store->await(1);
  loop.advance_ms(1000);
  loop.run_until([&store] { return store->health() == Health::kFailing; });
  CHECK_THAT(store->health_reason(), Catch::Matchers::Contains("no room for stream bulk"));
  CHECK(store.committed.empty());
  store->advance(0, store->status(0).next);
  loop.advance_ms(5000);
  loop.run_until([&] {
    loop.advance_ms(100);
    return store.committed.size() == 1;
  });
  CHECK(store->health() == Health::kOk);
  CHECK(store.payloads(0, store->position(0)).size() == 100);
}

TEST_CASE("a compressed stream takes less of the disk and reads the same, merged or not") {
  TempDir plain_dir;
  TempDir zstd_dir;
  TestLoop loop;
  std::vector<std::string> expected;
  std::uint64_t bytes[2];
  for (const bool compress : {false, true}) {
    auto options = one_stream(compress ? zstd_dir : plain_dir);
    options.streams[0].compress = compress;
    expected.clear();
    OpenStore store(loop, options);
    for (int i = 0; i < 300; ++i) {
      expected.push_back(R"({"temperature":21.5,"state":"running","number":)" + std::to_string(i) +
                         "}");
      store.put(0, expected.back());
    }
    CHECK(store.payloads(0, 1) == expected);
    bytes[compress ? 1 : 0] = store->status(0).bytes;
  }
  CHECK(bytes[1] < bytes[0] / 3);
  auto options = one_stream(zstd_dir);  // switched off: what is there stays readable
  OpenStore store(loop, options);
  store.put(0, "plain");
  expected.emplace_back("plain");
  CHECK(store.payloads(0, 1) == expected);
}

TEST_CASE("an encrypted store shows nothing on disk and opens with its key only") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.encrypt = true;
  options.keys = std::string(64, 'a');
  std::vector<std::string> expected;
  {
    OpenStore store(loop, options);
    for (int i = 0; i < 40; ++i) {
      expected.push_back("plaintext-" + std::to_string(i));
      store.put(0, expected.back());
    }
    CHECK(store.payloads(0, 1) == expected);
  }
  CHECK(all_files(dir).find("plaintext-") == std::string::npos);
  const auto refused = [&](const StoreOptions& tried) {
    const std::string before = all_files(dir);
    const auto opened = Store::open(tried, loop.clock, loop.timers, loop.post(), loop.metrics);
    REQUIRE_FALSE(opened);
    CHECK(all_files(dir) == before);
    return opened.error().message;
  };
  auto wrong = options;
  SECTION("another key") {
    wrong.keys = std::string(64, 'b');
    CHECK_THAT(refused(wrong), Catch::Matchers::Contains("encrypted with the key"));
  }
  SECTION("no encryption") {
    wrong.encrypt = false;
    CHECK_THAT(refused(wrong), Catch::Matchers::Contains("store.encryption.key is not set"));
  }
  SECTION("a key that is none") {
    wrong.keys = "nonsense";
    CHECK_THAT(refused(wrong), Catch::Matchers::Contains("store.encryption.key: line 1"));
  }
  SECTION("a new key above the old one: both are read; the old one may go when nothing needs it") {
    options.keys = std::string(64, 'c') + "\n" + options.keys;
    options.readers = {{"telemetry", "cloud", StartAt::kOldest}};
    auto without_old = options;
    without_old.keys = std::string(64, 'c');
    {
      OpenStore store(loop, options);
      CHECK(store.payloads(0, 1) == expected);
      store.put(0, "newer");
      CHECK(store.payloads(0, 41) == std::vector<std::string>{"newer"});
    }
    CHECK_THAT(refused(without_old), Catch::Matchers::Contains("Add the old key"));
    {
      OpenStore store(loop, options);
      store->advance(0, 42);
      store.flush();
      store.put(0, "newest");
    }
    OpenStore store(loop, without_old);
    CHECK(store.payloads(0, 42) == std::vector<std::string>{"newest"});
  }
}

TEST_CASE("what may be lost waits for no commit, and is dropped while commits fail") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams.push_back(stream("volatile", 5, WhenFull::kDropOldest));
  options.streams[1].may_be_lost = true;
  OpenStore store(loop, options);
  const StreamId both[] = {0, 1};
  const StreamId one[] = {1};
  CHECK_FALSE(store->may_be_lost(both));
  CHECK(store->may_be_lost(one));
  store.put(1, "x");
  CHECK(store.payloads(1, 1) == std::vector<std::string>{"x"});

  sqlite3* other = nullptr;  // holds the write lock longer than SQLite waits
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &other) == SQLITE_OK);
  REQUIRE(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  store.append(0, "t", "kept");
  loop.advance_ms(1000);
  loop.run_until([&store] { return store->health() == Health::kFailing; });
  CHECK(store->admit(both, 10) == Admission::kYes);  // for a moment
  loop.clock.advance_ms(3000);
  CHECK(store->admit(both, 10) == Admission::kFull);
  CHECK(store->admit(one, 10) == Admission::kYes);
  CHECK(store->admit(one, 33 << 20) == Admission::kDiscard);
  REQUIRE(sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr) == SQLITE_OK);
  sqlite3_close(other);
  loop.timers.advance_ms(3000);
  loop.run_until([&store] { return store->health() == Health::kOk; });
  CHECK(store.payloads(0, 1) == std::vector<std::string>{"kept"});
}

}  // namespace tg::store
