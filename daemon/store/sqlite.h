// Thin RAII over SQLite's C API: a connection and a prepared statement. Errors are values with
// SQLite's extended code in the text; no exceptions.
//
// Thread: an object belongs to one thread at a time (connections are opened NOMUTEX).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"

struct sqlite3;
struct sqlite3_backup;
struct sqlite3_stmt;

namespace tg::store {

// Error codes: kFull for SQLITE_FULL, kCorrupt for SQLITE_CORRUPT and SQLITE_NOTADB, kIo for
// SQLITE_IOERR, SQLITE_READONLY and SQLITE_CANTOPEN, kBusy for SQLITE_BUSY, else kFailed.
class Statement {
 public:
  Statement() = default;

  // Parameters are numbered from 1. Views must live until the next step() or reset().
  Statement& bind(int index, std::uint64_t value);
  Statement& bind(int index, std::string_view text);
  Statement& bind_blob(int index, std::string_view bytes);

  // True = a row, false = done. After false or an error the statement has been reset.
  Result<bool> step();
  // For statements without rows.
  Result<void> run();
  void reset();

  // Columns are numbered from 0; views live until the next step() or reset().
  [[nodiscard]] std::uint64_t integer(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::string_view blob(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  // kSingleFile: for a copy that is to be moved; no blocks ahead, no WAL that stays.
  enum class Mode { kReadWrite, kReadOnly, kSingleFile };

  static Result<Database> open(const std::filesystem::path& file, Mode mode);

  Result<void> exec(const std::string& sql);
  Result<Statement> prepare(const std::string& sql);
  // First column of the first row as a number; 0 when there is no row.
  Result<std::uint64_t> query_integer(const std::string& sql);

  // Gives the file blocks up to that size ahead of its pages, in steps of kChunk; kFull when the
  // disk has none. A checkpoint takes back what lies a step beyond the last page.
  static constexpr std::uint64_t kChunk = 1 << 20;
  Result<void> allocate(std::uint64_t bytes);
  // The same for the WAL, once it is open. It is kept when the connection is closed.
  Result<void> allocate_wal(std::uint64_t bytes);

  // Writes the first page, as it lies in the file, into another file (quarantine.h).
  Result<void> copy_head(const std::filesystem::path& to);

  // Copies what it can of the WAL into the database. The WAL's size in pages after the last commit.
  Result<void> checkpoint();
  [[nodiscard]] int wal_pages() const { return *wal_pages_; }

  [[nodiscard]] Error error(std::string_view what) const;

 private:
  friend class DatabaseCopy;
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<int> wal_pages_ = std::make_unique<int>(0);  // written by SQLite's hook
  std::unique_ptr<sqlite3, Close> database_;
};

// A copy of a database in another file, that grows while the connection is used. What it commits
// meanwhile comes into the copy too. Ends before the connection.
class DatabaseCopy {
 public:
  // The file is empty.
  static Result<DatabaseCopy> begin(Database& from, const std::filesystem::path& to);

  // Some more pages, outside of a transaction. True when there is nothing left to be copied.
  Result<bool> step(int pages);
  // After that: makes it one file, without a WAL. Syncing is the caller's.
  Result<void> finish();

  [[nodiscard]] std::uint64_t copied_pages() const { return copied_; }
  [[nodiscard]] std::uint64_t pages() const { return pages_; }  // known after the first step

 private:
  struct Finish {
    void operator()(sqlite3_backup* backup) const;
  };
  Database to_;
  std::unique_ptr<sqlite3_backup, Finish> backup_;
  std::uint64_t copied_ = 0;
  std::uint64_t pages_ = 0;
};

}  // namespace tg::store
