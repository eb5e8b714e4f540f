#include "daemon/store/migrations.h"

#include <sqlite3.h>

#include <fstream>
#include <iterator>

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {
namespace {

std::string content(const std::filesystem::path& file) {
  std::ifstream input(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(input), {}};
}

// Runs SQL on DIR/streams.db. `crashed` leaves the WAL behind, as a kill would.
void run_sql(const TempDir& dir, const std::string& sql, bool crashed = false) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((dir.path / "streams.db").c_str(), &database) == SQLITE_OK);
  if (crashed) sqlite3_db_config(database, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, 0);
  char* error = nullptr;
  sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &error);
  INFO((error != nullptr ? error : ""));
  CHECK(error == nullptr);
  sqlite3_close(database);
}

std::uint64_t stored_version(const TempDir& dir) {
  auto database = Database::open(dir.path / "streams.db", Database::Mode::kReadOnly);
  REQUIRE(database);
  return database->query_integer("SELECT value FROM meta WHERE key = 'schema'").value_or(0);
}

}  // namespace

TEST_CASE("a database of each released schema is brought up to date and keeps what it holds") {
  for (std::uint64_t version = 1; version < schema_version(); ++version) {
    DYNAMIC_SECTION("schema " << version) {
      TempDir dir;
      TestLoop loop;
      const auto sql = content(std::filesystem::path(SCHEMA_DIR) /
                               ("schema_" + std::to_string(version) + ".sql"));
      REQUIRE_FALSE(sql.empty());
      run_sql(dir, sql);
      auto options = one_stream(dir);
      options.readers = {{"telemetry", "cloud", StartAt::kOldest}};
      {
        OpenStore store(loop, options);
        CHECK(store->epoch() == "ecf1c69965587404");
        CHECK(store->position(0) == 2);
        CHECK(store.payloads(0, 1).size() == 3);
        CHECK(store.put(0, "new") == 4);
      }
      CHECK(stored_version(dir) == schema_version());
      OpenStore store(loop, options);
      CHECK(store.payloads(0, 4) == std::vector<std::string>{"new"});
    }
  }
}

TEST_CASE("a migration that fails leaves the version before it") {
  TempDir dir;
  TestLoop loop;
  run_sql(dir, content(std::filesystem::path(SCHEMA_DIR) / "schema_1.sql"));
  run_sql(dir, "ALTER TABLE reader ADD COLUMN paused INTEGER");  // in the way of migration 2
  const auto opened =
      Store::open(one_stream(dir), loop.clock, loop.timers, loop.post(), loop.metrics);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("schema version 2"));
  CHECK(stored_version(dir) == 1);
  run_sql(dir, "ALTER TABLE reader DROP COLUMN paused");
  OpenStore store(loop, one_stream(dir));
  CHECK(store.payloads(0, 1).size() == 3);
}

TEST_CASE("a database of a newer schema is refused and not touched") {
  TempDir dir;
  TestLoop loop;
  { OpenStore store(loop, one_stream(dir)); }
  run_sql(dir, "UPDATE meta SET value = 99 WHERE key = 'schema'", true);
  const auto before = content(dir.path / "streams.db");
  const auto wal_before = content(dir.path / "streams.db-wal");
  REQUIRE_FALSE(wal_before.empty());
  const auto opened =
      Store::open(one_stream(dir), loop.clock, loop.timers, loop.post(), loop.metrics);
  REQUIRE_FALSE(opened);
  CHECK_THAT(opened.error().message, Catch::Matchers::Contains("version 99"));
  CHECK(content(dir.path / "streams.db") == before);
  CHECK(content(dir.path / "streams.db-wal") == wal_before);
}

}  // namespace tg::store
