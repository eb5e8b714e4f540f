// The schema of streams.db, version by version: migration i leads from version i to version i + 1,
// a new database begins at 0. Each runs in a transaction of its own together with the new version
// number, so that a crash leaves the database at a version that is known.
//
// To change the schema, append to the list; what a released version has written stays as it is. A
// floor part with tables of its own keeps their SQL in a file of its own and has a line in the
// list. tests/unit/daemon/store/schema_N.sql is a database as version N left it.
//
// Thread: the store thread, and the loop before that thread runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "daemon/base/result.h"
#include "daemon/store/sqlite.h"

namespace tg::store {

struct Migration {
  const char* what;  // for the log
  const char* sql;
};

[[nodiscard]] std::span<const Migration> migrations();
[[nodiscard]] std::uint64_t schema_version();  // of this program

// Refuses (kInvalid) a database that a newer program has written. Not a byte of its files changes,
// a WAL that a crash has left included.
Result<void> check_version(const std::filesystem::path& file);

// Brings the database to schema_version().
Result<void> migrate(Database& database);

}  // namespace tg::store
