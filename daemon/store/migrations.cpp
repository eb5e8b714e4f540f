#include "daemon/store/migrations.h"

#include <fmt/format.h>

#include <system_error>

#include "daemon/base/log.h"
#include "daemon/store/broker_tables.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr Migration kMigrations[] = {
    {"streams, readers, plugins' state",
     "CREATE TABLE meta(key TEXT PRIMARY KEY, value);"
     "CREATE TABLE boot(id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL);"
     "CREATE TABLE stream(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
     " next_seq INTEGER NOT NULL, bytes INTEGER NOT NULL, evicted_reason TEXT NOT NULL);"
     "CREATE TABLE reader(stream_id INTEGER NOT NULL, name TEXT NOT NULL,"
     " next_seq INTEGER NOT NULL, detached INTEGER NOT NULL, PRIMARY KEY(stream_id, name));"
     "CREATE TABLE state(owner TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
     " PRIMARY KEY(owner, key));"},
    {"clock offsets of boots, paused readers",
     "ALTER TABLE boot ADD COLUMN wall_offset_ms INTEGER;"
     "ALTER TABLE reader ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"},
    {"what the broker keeps", kBrokerTables},
};

// 0 = a new database.
Result<std::uint64_t> version_of(Database& database) {
  const auto tables = database.query_integer(
      "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'meta'");
  if (!tables || *tables == 0) return tables;
  return database.query_integer("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'schema'");
}

Result<void> apply(Database& database, std::uint64_t version) {
  if (auto done = database.exec("BEGIN IMMEDIATE"); !done) return done;
  auto done = database.exec(kMigrations[version].sql);
  if (done) {
    done =
        database.exec(fmt::format("INSERT OR REPLACE INTO meta VALUES('schema', {})", version + 1));
  }
  if (done) done = database.exec("COMMIT");
  if (!done) (void)database.exec("ROLLBACK");  // fails when SQLite has rolled back by itself
  return done;
}

}  // namespace

std::span<const Migration> migrations() { return kMigrations; }

std::uint64_t schema_version() { return std::size(kMigrations); }

Result<void> check_version(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  auto database = Database::open(file, Database::Mode::kReadOnly);
  if (!database) return tl::unexpected(database.error());
  const auto version = version_of(*database);
  if (!version) return tl::unexpected(version.error());
  if (*version <= schema_version()) return {};
  return fail(ErrorCode::kInvalid,
              fmt::format("the store has schema version {}, this program knows {}: it was written "
                          "by a newer tidegated; install that version or move the data directory "
                          "away. Nothing was changed",
                          *version, schema_version()));
}

Result<void> migrate(Database& database) {
  const auto found = version_of(database);
  if (!found) return tl::unexpected(found.error());
  for (std::uint64_t version = *found; version < schema_version(); ++version) {
    if (auto done = apply(database, version); !done) {
      return fail(done.error().code,
                  fmt::format("migration to schema version {} ({}): {}", version + 1,
                              kMigrations[version].what, done.error().message));
    }
    if (*found > 0) log::info(kLog, "the store now has schema version {}", version + 1);
  }
  return {};
}

}  // namespace tg::store
