// What becomes of a store whose files are damaged: it comes up, with a new epoch, and brings back
// what can still be read.
#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <random>
#include <set>

#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

constexpr int kRecords = 600;
constexpr int kPassed = 50;

// A payload that tells whether it is what was written.
std::string payload(int number) {
  std::mt19937 random(static_cast<unsigned>(number));
  std::string text = std::to_string(number) + ":";
  for (int i = 0; i < 2000; ++i) text += static_cast<char>('a' + random() % 26);
  return text;
}

int number_of(const std::string& text) {
  const int number = std::atoi(text.c_str());
  CHECK(text == payload(number));
  return number;
}

StoreOptions options_of(const TempDir& dir) {
  auto options = one_stream(dir);
  options.readers = {{"telemetry", "cloud", StartAt::kOldest}};
  return options;
}

void damage(const std::filesystem::path& file, const std::function<void(int fd, off_t size)>& how) {
  const UniqueFd fd(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(fd.get() >= 0);
  how(fd.get(), ::lseek(fd.get(), 0, SEEK_END));
}

// Some records a commit; a reader has passed the first. Closed cleanly, so the WAL has been copied;
// its header is wiped, or its pages would be read instead of those of the database. `crashed` gets
// the files as a crash would have left them, all commits in the WAL.
std::string fill(const TempDir& dir, TestLoop& loop, const TempDir* crashed = nullptr) {
  OpenStore store(loop, options_of(dir));
  for (int i = 1; i <= kRecords; ++i) {
    store.append(0, "t", payload(i));
    if (i == kRecords) store->advance(0, kPassed + 1);
    if (i % 10 == 0) store.flush();
  }
  auto epoch = store->epoch();
  for (const char* name : {"streams.db", "streams.db-wal", "streams.db-mark"}) {
    if (crashed == nullptr || !std::filesystem::exists(dir.path / name)) continue;
    std::filesystem::copy(dir.path / name, crashed->path / name);
  }
  store.close();
  damage(dir.path / "streams.db-wal", [](int fd, off_t) {
    const std::string zeros(32, '\0');
    REQUIRE(::pwrite(fd, zeros.data(), zeros.size(), 0) == 32);
  });
  return epoch;
}

// Through failures: each is tried again after a while.
Seq put(OpenStore& store, TestLoop& loop, const std::string& text) {
  const Seq seq = store.append(0, "t", text);
  bool done = false;
  store->after_commit([&done] { done = true; });
  loop.run_until([&] {
    if (!done) loop.advance_ms(100);
    return done;
  });
  return seq;
}

void write_garbage(int fd, off_t at, std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string garbage(size, '\0');
  for (auto& c : garbage) c = static_cast<char>(random());
  REQUIRE(::pwrite(fd, garbage.data(), size, at) == static_cast<ssize_t>(size));
}

// Index of the last frame of the WAL's first generation.
off_t last_frame(int fd, off_t frame_bytes) {
  std::string salt(8, '\0');
  REQUIRE(::pread(fd, salt.data(), salt.size(), 16) == 8);
  off_t last = -1;
  for (std::string found(8, '\0');; ++last) {
    const off_t at = 32 + (last + 1) * frame_bytes + 8;
    if (::pread(fd, found.data(), found.size(), at) != 8 || found != salt) return last;
  }
}

void wait_salvaged(OpenStore& store, TestLoop& loop) {
  loop.run_until([&] {
    loop.advance_ms(100);
    return !store->is_salvaging();
  });
}

// The numbers that are stored, in order; each is what was written.
std::vector<int> stored(OpenStore& store) {
  std::vector<int> all;
  for (const auto& text : store.payloads(0, 1)) all.push_back(number_of(text));
  CHECK(std::is_sorted(all.begin(), all.end()));
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
  return all;
}

double quarantines(TestLoop& loop) {
  return static_cast<double>(
      loop.metrics
          .counter("tidegate_store_quarantines_total", "Damaged databases that were put aside")
          .value());
}

}  // namespace

TEST_CASE("a destroyed first page: a new epoch, and all that no reader had passed comes back") {
  TempDir dir;
  TestLoop loop;
  const auto epoch = fill(dir, loop);
  damage(dir.path / "streams.db", [](int fd, off_t) { write_garbage(fd, 0, 4096, 1); });
  OpenStore store(loop, options_of(dir));
  CHECK(store->epoch() != epoch);
  CHECK(quarantines(loop) == 1);
  CHECK(store->is_salvaging());
  wait_salvaged(store, loop);
  const auto all = stored(store);
  REQUIRE(all.size() == kRecords - kPassed);
  CHECK(all.front() == kPassed + 1);
  CHECK(store.put(0, payload(1000)) == static_cast<Seq>(kRecords - kPassed + 1));
  store.close();
  OpenStore again(loop, options_of(dir));  // salvaged once
  CHECK_FALSE(again->is_salvaging());
  CHECK(stored(again).size() == kRecords - kPassed + 1);
}

TEST_CASE("an end during the salvage neither loses nor doubles a record") {
  TempDir dir;
  TestLoop loop;
  fill(dir, loop);
  damage(dir.path / "streams.db", [](int fd, off_t) { write_garbage(fd, 0, 4096, 1); });
  for (Seq round = 1; round <= 6; ++round) {
    OpenStore store(loop, options_of(dir));
    loop.run_until([&] {
      loop.advance_ms(100);
      return !store->is_salvaging() || store->status(0).next > 60 * round;
    });
  }
  OpenStore store(loop, options_of(dir));
  wait_salvaged(store, loop);
  CHECK(stored(store).size() == kRecords - kPassed);
}

TEST_CASE("a second damage: what is not salvaged of the first set comes back all the same") {
  TempDir dir;
  TestLoop loop;
  fill(dir, loop);
  const auto destroy = [&dir] {
    for (const char* name : {"streams.db", "streams.db-wal"}) {
      damage(dir.path / name, [](int fd, off_t) { write_garbage(fd, 0, 4096, 1); });
    }
  };
  destroy();
  {
    OpenStore store(loop, options_of(dir));
    loop.run_until([&] {
      loop.advance_ms(100);
      return store->status(0).next > 100;
    });
    REQUIRE(store->is_salvaging());
  }
  destroy();
  OpenStore store(loop, options_of(dir));
  wait_salvaged(store, loop);
  std::set<int> all;
  for (const auto& text : store.payloads(0, 1)) all.insert(number_of(text));
  CHECK(all.size() == kRecords - kPassed);
  CHECK(*all.begin() == kPassed + 1);
}

TEST_CASE("a full stream that nobody reads does not hold up what is salvaged of others") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams = {stream("full"), stream("events")};
  options.readers = {{"full", "a", StartAt::kOldest}, {"events", "b", StartAt::kOldest}};
  {
    OpenStore store(loop, options);
    for (int i = 1; i <= 1000; ++i) store.append(0, "t", payload(i));
    for (int i = 1; i <= 100; ++i) store.append(1, "t", payload(i));
    store.flush();
  }
  damage(dir.path / "streams.db", [](int fd, off_t) { write_garbage(fd, 0, 4096, 1); });
  damage(dir.path / "streams.db-wal", [](int fd, off_t) { write_garbage(fd, 0, 4096, 1); });
  options.streams[0].max_size = 1 << 20;
  OpenStore store(loop, options);
  loop.run_until([&] {
    loop.advance_ms(100);
    return store->status(1).next == 101;
  });
  CHECK(store->is_salvaging());
  CHECK(store.payloads(1, 1).size() == 100);
  for (int i = 0; i < 500 && store->is_salvaging(); ++i) {  // somebody reads it after all
    store->advance(0, store->status(0).next);
    store.flush();
  }
  CHECK_FALSE(store->is_salvaging());
  CHECK(store->status(0).next == 1001);
}

TEST_CASE("pages of the database are garbage: the store comes up, and nothing wrong is read") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    TempDir dir;
    TestLoop loop;
    fill(dir, loop);
    damage(dir.path / "streams.db", [seed](int fd, off_t size) {
      std::mt19937 random(seed);
      for (int i = 0; i < 3; ++i) {
        const auto page = static_cast<off_t>(random() % static_cast<unsigned>(size / 4096));
        write_garbage(fd, page * 4096, 4096, seed);
      }
    });
    OpenStore store(loop, options_of(dir));
    wait_salvaged(store, loop);
    // A page of the tree may be found only when it is read.
    for (int i = 0; i < 3; ++i) {
      bool answered = false;
      store->read(0, 1, 1 << 22, [&answered](const Result<Chunk>&) { answered = true; });
      loop.run_until([&answered] { return answered; });
    }
    const Seq seq = put(store, loop, payload(1000));
    // A page found damaged only now begins another salvage: its records follow the new one.
    wait_salvaged(store, loop);
    const auto from_there = store.payloads(0, seq);
    REQUIRE_FALSE(from_there.empty());
    CHECK(number_of(from_there.front()) == 1000);
    CHECK(std::ranges::count(from_there, payload(1000)) == 1);
  }
}

TEST_CASE("flipped bytes are never served as records") {
  TempDir dir;
  TestLoop loop;
  fill(dir, loop);
  damage(dir.path / "streams.db", [](int fd, off_t size) {
    std::mt19937 random(5);
    for (int i = 0; i < 40; ++i) {
      const auto at =
          static_cast<off_t>(100'000 + random() % static_cast<unsigned>(size - 100'000));
      write_garbage(fd, at, 1, static_cast<unsigned>(i));
    }
  });
  OpenStore store(loop, options_of(dir));
  const auto all = stored(store);
  CHECK(all.size() > 100);
  CHECK(all.size() <= kRecords);
}

TEST_CASE("a truncated database: what lies before the cut comes back") {
  TempDir dir;
  TestLoop loop;
  const auto epoch = fill(dir, loop);
  damage(dir.path / "streams.db",
         [](int fd, off_t size) { REQUIRE(::ftruncate(fd, size / 2 / 4096 * 4096) == 0); });
  OpenStore store(loop, options_of(dir));
  CHECK(store->epoch() != epoch);
  wait_salvaged(store, loop);
  CHECK(stored(store).size() > 50);
}

TEST_CASE("without its WAL the store begins a new epoch, for its numbers come again") {
  TempDir dir;
  TestLoop loop;
  const auto epoch = fill(dir, loop);
  REQUIRE(std::filesystem::remove(dir.path / "streams.db-wal"));
  OpenStore store(loop, options_of(dir));
  CHECK(store->epoch() != epoch);
  CHECK(quarantines(loop) == 0);
  CHECK(stored(store).size() >= kRecords - kPassed);
}

TEST_CASE("a damaged WAL hides commits that were acknowledged: a new epoch") {
  TempDir closed;
  TempDir dir;
  TestLoop loop;
  const auto epoch = fill(closed, loop, &dir);
  const auto wal = dir.path / "streams.db-wal";
  constexpr off_t kFrame = 24 + 4096;
  const auto wipe_from = [&wal](off_t at) {
    damage(wal, [at](int fd, off_t size) {
      const std::string zeros(static_cast<std::size_t>(size - at), '\0');
      REQUIRE(::pwrite(fd, zeros.data(), zeros.size(), at) > 0);
    });
  };
  bool lost = true;
  SECTION("untouched") { lost = false; }
  SECTION("a bit in a page") {
    damage(wal, [](int fd, off_t) { write_garbage(fd, 32 + 40 * kFrame + 1000, 1, 77); });
  }
  SECTION("a bit in the last commit") {
    damage(wal, [](int fd, off_t) {
      const off_t last = last_frame(fd, kFrame);
      write_garbage(fd, 32 + last * kFrame + 1000, 1, 77);
    });
  }
  SECTION("a bit in the header") {
    damage(wal, [](int fd, off_t) { write_garbage(fd, 17, 1, 77); });
  }
  SECTION("its end is wiped") { wipe_from(32 + 40 * kFrame); }
  SECTION("all of it is wiped") { wipe_from(0); }
  SECTION("cut short") {
    damage(wal, [](int fd, off_t) { REQUIRE(::ftruncate(fd, 32 + 40 * kFrame) == 0); });
  }
  SECTION("cut short in its header") {
    damage(wal, [](int fd, off_t) { REQUIRE(::ftruncate(fd, 20) == 0); });
  }
  SECTION("its end is wiped, and the mark is as old: what a power cut may leave") {
    wipe_from(32 + 40 * kFrame);
    std::filesystem::remove(dir.path / "streams.db-mark");
    lost = false;
  }
  OpenStore store(loop, options_of(dir));
  CHECK((store->epoch() != epoch) == lost);
  (void)stored(store);
  const auto fresh = store->epoch();
  store.close();
  OpenStore again(loop, options_of(dir));
  CHECK(again->epoch() == fresh);  // found once
}

TEST_CASE("damage that shows while the store runs is put aside without a restart") {
  TempDir dir;
  TestLoop loop;
  fill(dir, loop);
  OpenStore store(loop, options_of(dir));
  const auto epoch = store->epoch();
  int replaced = 0;
  Store::Events events;
  events.on_replaced = [&] { ++replaced; };
  store->set_events(std::move(events));
  damage(dir.path / "streams.db", [](int fd, off_t size) {
    for (off_t at = 8 * 4096; at < size / 2; at += 4096) write_garbage(fd, at, 4096, 1);
  });
  loop.run_until([&] {
    store->read(0, 1, 1 << 20, [](const Result<Chunk>&) {});
    loop.advance_ms(100);
    return store->epoch() != epoch;
  });
  wait_salvaged(store, loop);
  CHECK(quarantines(loop) == 1);
  CHECK(replaced == 1);
  const Seq seq = put(store, loop, payload(1000));
  CHECK(seq > kRecords);
  CHECK(store.payloads(0, seq) == std::vector<std::string>{payload(1000)});
}

}  // namespace tg::store
