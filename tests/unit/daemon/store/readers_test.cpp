// What an operator does to readers, and what the clock does to the age of records.
#include <sqlite3.h>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kYearMs = 365 * kDayMs;

StoreOptions with_readers(const TempDir& dir, std::vector<std::string> names) {
  auto options = one_stream(dir);
  for (auto& name : names) options.readers.push_back({"telemetry", std::move(name)});
  return options;
}

// As if what is stored came from another boot of the machine.
void make_older_boot(const TempDir& dir) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &database) == SQLITE_OK);
  sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, 0);
  CHECK(sqlite3_exec(database, "UPDATE boot SET boot_id = 'before'", nullptr, nullptr, nullptr) ==
        SQLITE_OK);
  sqlite3_close(database);
}

}  // namespace

TEST_CASE("a detached reader is discarded and its records go; one in the file cannot be") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, with_readers(dir, {"old", "new"}));
    for (int i = 0; i < 5; ++i) store.put(0, "x");
  }
  {
    OpenStore store(loop, with_readers(dir, {"new"}));
    store->advance(0, 6);
    store.flush();
    CHECK(store->status(0).first == 1);
    CHECK_FALSE(store->discard_reader("telemetry", "new"));
    CHECK_FALSE(store->discard_reader("telemetry", "nobody"));
    CHECK(store->discard_reader("telemetry", "old"));
    CHECK_FALSE(store->discard_reader("telemetry", "old"));
    store.flush();
    CHECK(store->status(0).first == 6);
    CHECK(store->readers().size() == 1);
  }
  OpenStore store(loop, with_readers(dir, {"new"}));
  CHECK(store->readers().size() == 1);
}

TEST_CASE("a reader that a change of the configuration has detached can be discarded at once") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, with_readers(dir, {"old", "new"}));
    for (int i = 0; i < 5; ++i) store.put(0, "x");
    bool done = false;
    store->reconfigure(with_readers(dir, {"new"}), [&done] { done = true; });
    loop.advance_ms(1000);
    loop.run_until([&done] { return done; });
    store->advance(1, 6);
    store.flush();
    CHECK(store->status(0).first == 1);
    CHECK(store->discard_reader("telemetry", "old"));
    store.flush();
    CHECK(store->status(0).first == 6);
    CHECK(store->readers().size() == 1);
  }
  OpenStore store(loop, with_readers(dir, {"new"}));
  CHECK(store->readers().size() == 1);
}

TEST_CASE("a pause lasts over a restart, and its end is told as new records are") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, with_readers(dir, {"cloud"}));
    store->set_paused(0, true);
    store.put(0, "x");
  }
  OpenStore store(loop, with_readers(dir, {"cloud"}));
  CHECK(store->is_paused(0));
  CHECK(store->readers()[0].paused);
  store->set_paused(0, false);
  CHECK(store.advanced == std::vector<StreamId>{0});
  store.flush();
  store.close();
  OpenStore again(loop, with_readers(dir, {"cloud"}));
  CHECK_FALSE(again->is_paused(0));
}

TEST_CASE("a reader is set back to what is still stored, never ahead") {
  TempDir dir;
  TestLoop loop;
  {
    OpenStore store(loop, with_readers(dir, {"cloud", "slow"}));
    for (int i = 0; i < 9; ++i) store.put(0, "x");
    store->advance(0, 10);
    store->advance(1, 4);
    store.flush();
    CHECK(store->status(0).first == 4);
    CHECK(store->rewind(0, 20) == 10);
    CHECK(store->rewind(0, 1) == 4);
    CHECK(store->position(0) == 4);
  }
  OpenStore store(loop, with_readers(dir, {"cloud", "slow"}));
  CHECK(store->position(0) == 4);
}

TEST_CASE(
    "a clock that steps deletes nothing: 50 years ahead, a day back, within a boot and across") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_age_ms = kDayMs;
  for (const bool across : {false, true}) {
    DYNAMIC_SECTION((across ? "across boots" : "within a boot")) {
      {
        OpenStore store(loop, options);
        for (int i = 0; i < 20; ++i) store.put(0, "x");
      }
      if (across) make_older_boot(dir);
      OpenStore store(loop, options);
      for (const std::int64_t step : {50 * kYearMs, -50 * kYearMs, -kDayMs, 2 * kDayMs - kDayMs}) {
        loop.clock.step_wall_ms(step);
        store.flush();
        CHECK(store->status(0).first == 1);
        CHECK(store->status(0).evicted == 0);
      }
      loop.clock.set_quality(ClockQuality::kUnsynchronised);
      loop.advance_ms(3 * kDayMs);
      store.flush();
      CHECK(store->status(0).first == 1);
      loop.clock.set_quality(ClockQuality::kSynchronised);
      store.flush();
      CHECK(store->status(0).first == 21);
    }
  }
}

TEST_CASE("records of a time before the clock was synchronised age and are dated by its offset") {
  TempDir dir;
  TestLoop loop;
  auto options = one_stream(dir);
  options.streams[0].max_age_ms = kDayMs;
  loop.clock.set_quality(ClockQuality::kUnsynchronised);
  loop.clock.step_wall_ms(-50 * kYearMs);
  const std::int64_t true_wall = loop.clock.now().wall_ms + 50 * kYearMs;
  {
    OpenStore store(loop, options);
    store.put(0, "early");
    Chunk chunk = store.read(0, 1);
    CHECK(chunk.records[0].received.quality == ClockQuality::kUnsynchronised);
    loop.clock.step_wall_ms(50 * kYearMs);
    loop.clock.set_quality(ClockQuality::kSynchronised);
    store.put(0, "later");
    chunk = store.read(0, 1);
    CHECK(chunk.records[0].received.quality == ClockQuality::kSynchronised);
    CHECK(chunk.records[0].received.wall_ms == true_wall);
  }
  make_older_boot(dir);
  OpenStore store(loop, options);
  CHECK(store.read(0, 1).records[0].received.wall_ms == true_wall);
  loop.advance_ms(2 * kDayMs);
  store.flush();
  CHECK(store->status(0).evicted == 2);
}

}  // namespace tg::store
