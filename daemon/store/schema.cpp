#include "daemon/store/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <sstream>
#include <system_error>

#include "daemon/store/migrations.h"

namespace tg::store {
namespace {

constexpr int kMaxBoots = 1000;

std::string new_epoch() {
  std::random_device source;
  return fmt::format("{:08x}{:08x}", source(), source());
}

// True when an earlier opening has noted that the WAL is kept from then on.
Result<bool> note_kept_wal(Database& database) {
  const auto found = database.query_integer("SELECT count(*) FROM meta WHERE key = 'wal'");
  if (!found) return tl::unexpected(found.error());
  if (*found != 0) return true;
  if (auto done = database.exec("INSERT INTO meta VALUES('wal', 'kept')"); !done) {
    return tl::unexpected(done.error());
  }
  return false;
}

Result<std::string> load_epoch(Database& database) {
  auto insert = database.prepare("INSERT OR IGNORE INTO meta VALUES('epoch', ?)");
  if (!insert) return tl::unexpected(insert.error());
  const std::string fresh = new_epoch();
  if (auto done = insert->bind(1, fresh).run(); !done) return tl::unexpected(done.error());
  auto select = database.prepare("SELECT value FROM meta WHERE key = 'epoch'");
  if (!select) return tl::unexpected(select.error());
  const auto row = select->step();
  if (!row) return tl::unexpected(row.error());
  return std::string(select->text(0));
}

Result<std::uint32_t> load_boot(Database& database, const std::string& boot_id) {
  const auto pruned = database.exec(
      fmt::format("DELETE FROM boot WHERE id < (SELECT max(id) FROM boot) - {}", kMaxBoots));
  if (!pruned) return tl::unexpected(pruned.error());
  auto insert = database.prepare(
      "INSERT INTO boot(boot_id) SELECT ?1 WHERE NOT EXISTS "
      "(SELECT 1 FROM boot WHERE boot_id = ?1)");
  if (!insert) return tl::unexpected(insert.error());
  if (auto done = insert->bind(1, boot_id).run(); !done) return tl::unexpected(done.error());
  auto select = database.prepare("SELECT max(id) FROM boot WHERE boot_id = ?");
  if (!select) return tl::unexpected(select.error());
  const auto row = select->bind(1, boot_id).step();
  if (!row) return tl::unexpected(row.error());
  return static_cast<std::uint32_t>(select->integer(0));
}

Result<StreamRow> find_or_make_stream(Database& database, const std::string& name) {
  auto insert = database.prepare(
      "INSERT OR IGNORE INTO stream(name, next_seq, bytes, evicted_reason) VALUES(?, 1, 0, '')");
  if (!insert) return tl::unexpected(insert.error());
  if (auto done = insert->bind(1, name).run(); !done) return tl::unexpected(done.error());
  auto select = database.prepare("SELECT id FROM stream WHERE name = ?");
  if (!select) return tl::unexpected(select.error());
  const auto row = select->bind(1, name).step();
  if (!row) return tl::unexpected(row.error());
  const std::uint64_t id = select->integer(0);
  select->reset();
  auto made = database.exec(fmt::format(
      "CREATE TABLE IF NOT EXISTS {}(first_seq INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
      " tier INTEGER NOT NULL, first_wall_ms INTEGER NOT NULL, last_wall_ms INTEGER NOT NULL,"
      " last_boot INTEGER NOT NULL, last_mono_ms INTEGER NOT NULL, bytes INTEGER NOT NULL,"
      " codec INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL)",
      segment_table(id)));
  if (!made) return tl::unexpected(made.error());
  return load_stream(database, id);
}

Result<void> match_readers(Database& database, const StoreOptions& options, Opened& opened) {
  auto insert = database.prepare(
      "INSERT INTO reader(stream_id, name, next_seq, detached) VALUES(?, ?, ?, 0) ON "
      "CONFLICT(stream_id, name) DO UPDATE SET "
      "detached = 0");
  auto select =
      database.prepare("SELECT next_seq, paused FROM reader WHERE stream_id = ? AND name = ?");
  if (!insert || !select) return tl::unexpected(database.error("reader table"));
  if (auto done = database.exec("UPDATE reader SET detached = 1"); !done) return done;
  for (const auto& reader : options.readers) {
    const auto at = std::find_if(options.streams.begin(), options.streams.end(),
                                 [&reader](const auto& s) { return s.name == reader.stream; });
    if (at == options.streams.end()) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("reader {} names the unknown stream {}", reader.name, reader.stream));
    }
    const auto& row = opened.streams[static_cast<std::size_t>(at - options.streams.begin())];
    const Seq begin = reader.start == StartAt::kNow ? row.next : row.first;
    if (reader.discarded) {
      opened.positions.push_back(row.next);
      opened.paused.push_back(false);
      continue;
    }
    if (auto done = insert->bind(1, row.id).bind(2, reader.name).bind(3, begin).run(); !done) {
      return done;
    }
    const auto found = select->bind(1, row.id).bind(2, reader.name).step();
    if (!found) return tl::unexpected(found.error());
    opened.positions.push_back(select->integer(0));
    opened.paused.push_back(select->integer(1) != 0);
    select->reset();
  }
  return {};
}

Result<void> list_unnamed(Database& database, const StoreOptions& options, Opened& opened) {
  auto readers = database.prepare(
      "SELECT stream.name, reader.name, reader.next_seq FROM reader JOIN stream ON stream.id = "
      "reader.stream_id WHERE detached = 1");
  if (!readers) return tl::unexpected(readers.error());
  for (;;) {
    const auto row = readers->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    opened.detached.push_back(
        {std::string(readers->text(0)), std::string(readers->text(1)), readers->integer(2), true});
  }
  auto streams = database.prepare("SELECT name FROM stream WHERE bytes > 0");
  if (!streams) return tl::unexpected(streams.error());
  for (;;) {
    const auto row = streams->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return {};
    const std::string name(streams->text(0));
    const bool named = std::any_of(options.streams.begin(), options.streams.end(),
                                   [&name](const auto& s) { return s.name == name; });
    if (!named) opened.orphans.push_back(name);
  }
}

// The key that `codec` of a row names stands in bits 16 to 47 (segment_codec.h).
Result<bool> is_in_table(Database& database, const std::string& table, const std::string& key_id) {
  const auto found = database.query_integer(
      fmt::format("SELECT 1 FROM {} WHERE codec >> 16 = 0x{} LIMIT 1", table, key_id));
  if (!found) return tl::unexpected(found.error());
  return *found != 0;
}

Result<bool> is_in_use(Database& database, const std::string& key_id) {
  const auto has_broker =
      database.query_integer("SELECT count(*) FROM sqlite_master WHERE name = 'broker_message'");
  if (!has_broker) return tl::unexpected(has_broker.error());
  if (*has_broker != 0) {
    auto found = is_in_table(database, "broker_message", key_id);
    if (!found || *found) return found;
  }
  auto tables = database.prepare("SELECT id FROM stream");
  if (!tables) return tl::unexpected(tables.error());
  for (;;) {
    const auto row = tables->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return false;
    auto found = is_in_table(database, segment_table(tables->integer(0)), key_id);
    if (!found || *found) return found;
  }
}

std::string key_ids(const std::vector<Key>& keys) {
  std::string ids;
  for (const auto& key : keys) ids += fmt::format("{}{:08x}", ids.empty() ? "" : " ", key.id);
  return ids;
}

Result<void> check_keys(const std::filesystem::path& file, const std::vector<Key>& keys) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  auto database = Database::open(file, Database::Mode::kReadOnly);
  if (!database) return tl::unexpected(database.error());
  const auto tables =
      database->query_integer("SELECT count(*) FROM sqlite_master WHERE name = 'meta'");
  if (!tables) return tl::unexpected(tables.error());
  if (*tables == 0) return {};
  auto select = database->prepare("SELECT value FROM meta WHERE key = 'keys'");
  if (!select) return tl::unexpected(select.error());
  const auto row = select->step();
  if (!row) return tl::unexpected(row.error());
  std::istringstream listed(*row ? std::string(select->text(0)) : std::string());
  const std::string given = key_ids(keys);
  for (std::string id; listed >> id;) {
    if (given.find(id) != std::string::npos) continue;
    const auto used = is_in_use(*database, id);
    if (!used) return tl::unexpected(used.error());
    if (!*used) continue;
    return fail(ErrorCode::kInvalid,
                keys.empty()
                    ? fmt::format("records are encrypted with the key {}, and store.encryption.key "
                                  "is not set. Nothing was changed",
                                  id)
                    : fmt::format("records are encrypted with the key {}; store.encryption.key "
                                  "has {}. Add the old key as a line below the new one. Nothing "
                                  "was changed",
                                  id, given));
  }
  return {};
}

Result<Opened> prepare_in_transaction(Database& database, const StoreOptions& options,
                                      const std::vector<Key>& keys, const std::string& boot_id) {
  Opened opened;
  auto listed = database.exec(fmt::format(
      "INSERT INTO meta VALUES('keys', '{0}') ON CONFLICT(key) DO UPDATE SET value = '{0}' "
      "WHERE value <> '{0}'",
      key_ids(keys)));
  if (!listed) return tl::unexpected(listed.error());
  auto epoch = load_epoch(database);
  if (!epoch) return tl::unexpected(epoch.error());
  opened.epoch = std::move(*epoch);
  const auto kept_wal = note_kept_wal(database);
  if (!kept_wal) return tl::unexpected(kept_wal.error());
  opened.kept_wal = *kept_wal;
  const auto boot = load_boot(database, boot_id);
  if (!boot) return tl::unexpected(boot.error());
  opened.boot = *boot;
  for (const auto& stream : options.streams) {
    auto row = find_or_make_stream(database, stream.name);
    if (!row) return tl::unexpected(row.error());
    opened.streams.push_back(std::move(*row));
  }
  if (auto done = match_readers(database, options, opened); !done) {
    return tl::unexpected(done.error());
  }
  if (auto done = list_unnamed(database, options, opened); !done) {
    return tl::unexpected(done.error());
  }
  return opened;
}

// A death while the database is made, before it has a WAL, leaves a rollback journal, which a
// connection that only reads cannot undo.
Result<void> undo_creation(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file.string() + "-journal", error)) return {};
  auto database = Database::open(file, Database::Mode::kSingleFile);
  if (!database) return tl::unexpected(database.error());
  const auto read = database->query_integer("SELECT count(*) FROM sqlite_master");
  return read ? Result<void>() : tl::unexpected(read.error());
}

}  // namespace

std::string segment_table(std::uint64_t stream_id) { return fmt::format("segment_{}", stream_id); }

Result<std::string> renew_epoch(Database& database) {
  auto update = database.prepare("UPDATE meta SET value = ? WHERE key = 'epoch'");
  if (!update) return tl::unexpected(update.error());
  std::string fresh = new_epoch();
  if (auto done = update->bind(1, fresh).run(); !done) return tl::unexpected(done.error());
  return fresh;
}

Result<StreamRow> load_stream(Database& database, std::uint64_t id) {
  auto select = database.prepare("SELECT next_seq, bytes, evicted_reason FROM stream WHERE id = ?");
  if (!select) return tl::unexpected(select.error());
  const auto row = select->bind(1, id).step();
  if (!row) return tl::unexpected(row.error());
  StreamRow stream{id, 1, select->integer(0), select->integer(1), std::string(select->text(2))};
  const auto first =
      database.query_integer(fmt::format("SELECT min(first_seq) FROM {}", segment_table(id)));
  if (!first) return tl::unexpected(first.error());
  stream.first = *first == 0 ? stream.next : *first;
  return stream;
}

Result<Database> open_writer(const std::filesystem::path& file, const std::vector<Key>& keys) {
  if (auto undone = undo_creation(file); !undone) return tl::unexpected(undone.error());
  if (auto checked = check_version(file); !checked) return tl::unexpected(checked.error());
  if (auto checked = check_keys(file, keys); !checked) return tl::unexpected(checked.error());
  auto database = Database::open(file, Database::Mode::kReadWrite);
  if (!database) return database;
  // secure_delete is on in Debian's SQLite and writes ten times the bytes on a drain. Checkpoints
  // are explicit so that their errors are seen: the hook of Database::open replaces the automatic
  // ones, and PRAGMA wal_autocheckpoint would take the hook away. synchronous=FULL: NORMAL loses
  // commits at a power cut.
  auto set = database->exec(
      "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA secure_delete=OFF; PRAGMA auto_vacuum=NONE;"
      "PRAGMA journal_size_limit=-1; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-2000;"
      "PRAGMA foreign_keys=OFF");
  if (!set) return tl::unexpected(set.error());
  return database;
}

Result<Opened> prepare_schema(Database& database, const StoreOptions& options,
                              const std::vector<Key>& keys, const std::string& boot_id) {
  if (auto done = migrate(database); !done) return tl::unexpected(done.error());
  if (auto begun = database.exec("BEGIN IMMEDIATE"); !begun) return tl::unexpected(begun.error());
  auto opened = prepare_in_transaction(database, options, keys, boot_id);
  const auto ended = database.exec(opened ? "COMMIT" : "ROLLBACK");
  if (opened && !ended) return tl::unexpected(ended.error());
  return opened;
}

}  // namespace tg::store
