#include "daemon/store/sqlite.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <array>
#include <fstream>
#include <system_error>
#include <utility>

#include "daemon/store/wal_vfs.h"

namespace tg::store {
namespace {

ErrorCode code_of(int extended) {
  switch (extended & 0xff) {
    case SQLITE_FULL:
      return ErrorCode::kFull;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_IOERR:
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
      return ErrorCode::kIo;
    case SQLITE_BUSY:
      return ErrorCode::kBusy;
    default:
      return ErrorCode::kFailed;
  }
}

Error make_error(sqlite3* database, std::string_view what) {
  const int code = sqlite3_extended_errcode(database);
  return {code_of(code), fmt::format("{}: {} (SQLite {})", what, sqlite3_errmsg(database), code)};
}

int note_wal_pages(void* target, sqlite3* /*database*/, const char* /*name*/, int pages) {
  *static_cast<int*>(target) = pages;
  return SQLITE_OK;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(int index, std::uint64_t value) {
  sqlite3_bind_int64(statement_.get(), index, static_cast<sqlite3_int64>(value));
  return *this;
}

Statement& Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL.
  sqlite3_bind_text64(statement_.get(), index, text.empty() ? "" : text.data(), text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  sqlite3_bind_blob64(statement_.get(), index, bytes.empty() ? "" : bytes.data(), bytes.size(),
                      SQLITE_STATIC);
  return *this;
}

Result<bool> Statement::step() {
  const int rc = sqlite3_step(statement_.get());
  if (rc == SQLITE_ROW) return true;
  if (rc == SQLITE_DONE) {
    sqlite3_reset(statement_.get());
    return false;
  }
  sqlite3* database = sqlite3_db_handle(statement_.get());
  auto error = make_error(database, sqlite3_sql(statement_.get()));
  sqlite3_reset(statement_.get());
  return tl::unexpected(std::move(error));
}

Result<void> Statement::run() {
  const auto stepped = step();
  if (!stepped) return tl::unexpected(stepped.error());
  if (*stepped) reset();
  return {};
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::uint64_t Statement::integer(int column) const {
  return static_cast<std::uint64_t>(sqlite3_column_int64(statement_.get(), column));
}

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::open(const std::filesystem::path& file, Mode mode) {
  const int flags =
      SQLITE_OPEN_NOMUTEX |
      (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  sqlite3* handle = nullptr;
  const char* const vfs = mode == Mode::kReadWrite ? wal_vfs() : nullptr;  // null = the default
  const int rc = sqlite3_open_v2(file.c_str(), &handle, flags, vfs);
  Database database;
  database.database_.reset(handle);
  if (rc != SQLITE_OK) {
    if (handle == nullptr) return fail(ErrorCode::kFailed, "SQLite: out of memory");
    return tl::unexpected(make_error(handle, fmt::format("cannot open {}", file.string())));
  }
  sqlite3_extended_result_codes(handle, 1);
  sqlite3_busy_timeout(handle, 5000);
  if (mode == Mode::kReadWrite) {
    int chunk = static_cast<int>(kChunk);
    int persist = 1;
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_CHUNK_SIZE, &chunk);
    sqlite3_file_control(handle, "main", SQLITE_FCNTL_PERSIST_WAL, &persist);
  }
  if (mode == Mode::kReadOnly) sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, 0);
  sqlite3_wal_hook(handle, note_wal_pages, database.wal_pages_.get());
  return database;
}

Result<void> Database::exec(const std::string& sql) {
  if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return tl::unexpected(make_error(database_.get(), sql));
  }
  return {};
}

Result<Statement> Database::prepare(const std::string& sql) {
  sqlite3_stmt* handle = nullptr;
  const int rc = sqlite3_prepare_v3(database_.get(), sql.c_str(), static_cast<int>(sql.size()) + 1,
                                    SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
  Statement statement;
  statement.statement_.reset(handle);
  if (rc != SQLITE_OK) return tl::unexpected(make_error(database_.get(), sql));
  return statement;
}

Result<std::uint64_t> Database::query_integer(const std::string& sql) {
  auto statement = prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  const auto row = statement->step();
  if (!row) return tl::unexpected(row.error());
  return *row ? statement->integer(0) : 0;
}

Result<void> Database::allocate(std::uint64_t bytes) {
  auto size = static_cast<sqlite3_int64>(bytes);
  const int rc = sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_SIZE_HINT, &size);
  if (rc == SQLITE_OK) return {};
  // SQLite does not say why: a file that cannot grow for another reason fails in other calls too.
  return fail(ErrorCode::kFull, "no space left on the disk");
}

Result<void> Database::allocate_wal(std::uint64_t bytes) {
  sqlite3_file* wal = nullptr;
  sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal);
  if (wal == nullptr || wal->pMethods == nullptr) {
    return fail(ErrorCode::kFailed, "the WAL is not open");
  }
  int chunk = static_cast<int>(kChunk);
  auto size = static_cast<sqlite3_int64>(bytes);
  wal->pMethods->xFileControl(wal, SQLITE_FCNTL_CHUNK_SIZE, &chunk);
  if (wal->pMethods->xFileControl(wal, SQLITE_FCNTL_SIZE_HINT, &size) == SQLITE_OK) return {};
  return fail(ErrorCode::kFull, "no space left on the disk");
}

Result<void> Database::copy_head(const std::filesystem::path& to) {
  // Through SQLite's own descriptor: closing another one of the same file would drop its locks.
  sqlite3_file* file = nullptr;
  sqlite3_file_control(database_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  std::array<char, 4096> page{};
  if (file == nullptr || file->pMethods == nullptr ||
      file->pMethods->xRead(file, page.data(), static_cast<int>(page.size()), 0) != SQLITE_OK) {
    return fail(ErrorCode::kIo, "the first page cannot be read");
  }
  const auto fresh = to.string() + ".new";
  std::error_code error;
  std::ofstream output(fresh, std::ios::binary | std::ios::trunc);
  output.write(page.data(), static_cast<std::streamsize>(page.size()));
  output.close();
  if (output) std::filesystem::rename(fresh, to, error);
  if (!output || error) return fail(ErrorCode::kIo, fmt::format("cannot write {}", to.string()));
  return {};
}

Result<void> Database::checkpoint() {
  int in_wal = 0;
  int copied = 0;
  const int rc = sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE,
                                           &in_wal, &copied);
  if (rc == SQLITE_BUSY) return {};  // a reader was in the way: the next one does it
  if (rc != SQLITE_OK) return tl::unexpected(make_error(database_.get(), "checkpoint"));
  *wal_pages_ = in_wal - copied;
  return {};
}

Error Database::error(std::string_view what) const { return make_error(database_.get(), what); }

void DatabaseCopy::Finish::operator()(sqlite3_backup* backup) const {
  sqlite3_backup_finish(backup);
}

Result<DatabaseCopy> DatabaseCopy::begin(Database& from, const std::filesystem::path& to) {
  auto target = Database::open(to, Database::Mode::kSingleFile);
  if (!target) return tl::unexpected(target.error());
  // A copy that is cut short is thrown away: it needs no journal, and no sync before its end.
  if (auto done = target->exec("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF"); !done) {
    return tl::unexpected(done.error());
  }
  DatabaseCopy copy;
  copy.to_ = std::move(*target);
  copy.backup_.reset(
      sqlite3_backup_init(copy.to_.database_.get(), "main", from.database_.get(), "main"));
  if (copy.backup_ == nullptr) return tl::unexpected(copy.to_.error("copy"));
  return copy;
}

Result<bool> DatabaseCopy::step(int pages) {
  const int rc = sqlite3_backup_step(backup_.get(), pages);
  pages_ = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup_.get()));
  copied_ = pages_ - static_cast<std::uint64_t>(sqlite3_backup_remaining(backup_.get()));
  if (rc == SQLITE_DONE) return true;
  // Busy: somebody else holds the lock for a moment; the next step does it.
  if (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED) return false;
  return tl::unexpected(
      Error{code_of(rc), fmt::format("copy: {} (SQLite {})", sqlite3_errstr(rc), rc)});
}

Result<void> DatabaseCopy::finish() {
  backup_.reset();
  return to_.exec("PRAGMA journal_mode=DELETE");
}

}  // namespace tg::store
