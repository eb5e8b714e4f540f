#include "daemon/store/broker_tables.h"

#include <initializer_list>
#include <utility>

namespace tg::store {

namespace {

// What a message's row says of itself, for the encryption; no stream has this id.
SegmentHead head_of(BrokerId message) { return {UINT64_MAX, message, 1}; }

}  // namespace

Result<BrokerTables> BrokerTables::prepare(Database& database, SegmentCodec& codec) {
  BrokerTables tables;
  tables.database_ = &database;
  tables.codec_ = &codec;
  const std::initializer_list<std::pair<Statement*, const char*>> all = {
      {&tables.put_session_,
       "INSERT OR REPLACE INTO broker_session VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&tables.erase_session_, "DELETE FROM broker_session WHERE id = ?"},
      {&tables.erase_filters_, "DELETE FROM broker_filter WHERE session = ?"},
      {&tables.erase_held_, "DELETE FROM broker_held WHERE key BETWEEN ? AND ?"},
      {&tables.put_filter_, "INSERT OR REPLACE INTO broker_filter VALUES(?, ?, ?, ?, ?)"},
      {&tables.erase_filter_,
       "DELETE FROM broker_filter WHERE session = ? AND grp = ? AND filter = ?"},
      {&tables.hold_, "INSERT OR IGNORE INTO broker_held VALUES(?)"},
      {&tables.release_, "DELETE FROM broker_held WHERE key = ?"},
      {&tables.put_message_, "INSERT OR REPLACE INTO broker_message VALUES(?, ?, ?, ?)"},
      {&tables.erase_message_, "DELETE FROM broker_message WHERE id = ?"},
      {&tables.retain_, "INSERT OR IGNORE INTO broker_retained VALUES(?)"},
      {&tables.unretain_, "DELETE FROM broker_retained WHERE message = ?"},
      {&tables.put_copy_, "INSERT OR REPLACE INTO broker_copy VALUES(?, ?, ?, ?, ?, ?, ?, ?)"},
      {&tables.move_copy_,
       "UPDATE broker_copy SET message = ?, packet_id = ?, step = ? WHERE id = ?"},
      {&tables.erase_copy_, "DELETE FROM broker_copy WHERE id = ?"},
  };
  for (const auto& [statement, sql] : all) {
    auto prepared = database.prepare(sql);
    if (!prepared) return tl::unexpected(prepared.error());
    *statement = std::move(*prepared);
  }
  return tables;
}

Result<void> BrokerTables::apply(const BrokerChanges& changes) {
  if (changes.empty()) return {};
  if (changes.clear_all_) {
    if (auto done = clear(); !done) return done;
  }
  if (auto done = apply_messages(changes); !done) return done;
  if (auto done = apply_copies(changes); !done) return done;
  if (auto done = apply_filters(changes); !done) return done;
  return apply_sessions(changes);
}

Result<void> BrokerTables::clear() {
  return database_->exec(
      "DELETE FROM broker_session; DELETE FROM broker_filter; DELETE FROM broker_held;"
      "DELETE FROM broker_message; DELETE FROM broker_copy; DELETE FROM broker_retained");
}

Result<void> BrokerTables::put_message(BrokerId id, std::string_view body) {
  const auto encoded = codec_->encode(body, false, head_of(id));
  if (!encoded) return tl::unexpected(encoded.error());
  put_message_.bind(1, id).bind(2, encoded->codec).bind(3, std::uint64_t{encoded->crc});
  return put_message_.bind_blob(4, encoded->data).run();
}

Result<void> BrokerTables::rekey() {
  const std::uint64_t codec = codec_->encrypted_codec();
  auto select = database_->prepare("SELECT id FROM broker_message WHERE codec <> ?");
  if (!select) return tl::unexpected(select.error());
  select->bind(1, codec);
  std::vector<BrokerId> messages;
  for (;;) {
    const auto row = select->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    messages.push_back(select->integer(0));
  }
  if (messages.empty()) return {};
  if (auto begun = database_->exec("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = rekey(messages);
  if (done) done = database_->exec("COMMIT");
  if (!done) (void)database_->exec("ROLLBACK");
  return done;
}

Result<void> BrokerTables::rekey(const std::vector<BrokerId>& messages) {
  auto select = database_->prepare("SELECT codec, crc, body FROM broker_message WHERE id = ?");
  if (!select) return tl::unexpected(select.error());
  for (const BrokerId id : messages) {
    const auto row = select->bind(1, id).step();
    if (!row) return tl::unexpected(row.error());
    const auto body =
        codec_->decode(select->integer(0), select->integer(1), select->blob(2), head_of(id));
    select->reset();
    if (!body) continue;
    if (auto done = put_message(id, *body); !done) return done;
  }
  return {};
}

Result<void> BrokerTables::apply_messages(const BrokerChanges& changes) {
  for (const auto& message : changes.messages_) {
    if (message.id == 0) continue;
    if (auto done = put_message(message.id, message.bytes); !done) return done;
  }
  for (const auto& [message, is_retained] : changes.retained_) {
    auto& statement = is_retained ? retain_ : unretain_;
    if (auto done = statement.bind(1, message).run(); !done) return done;
  }
  for (const BrokerId message : changes.erased_messages_) {
    if (auto done = erase_message_.bind(1, message).run(); !done) return done;
  }
  return {};
}

Result<void> BrokerTables::apply_copies(const BrokerChanges& changes) {
  for (const auto& copy : changes.copies_) {
    if (copy.id == 0) continue;
    put_copy_.bind(1, copy.id).bind(2, copy.session).bind(3, copy.message);
    put_copy_.bind(4, std::uint64_t{copy.subscription_id}).bind(5, std::uint64_t{copy.packet_id});
    put_copy_.bind(6, std::uint64_t{copy.qos}).bind(7, std::uint64_t{copy.retain});
    if (auto done = put_copy_.bind(8, std::uint64_t{copy.step}).run(); !done) return done;
  }
  for (const auto& [id, copy] : changes.moved_copies_) {
    move_copy_.bind(1, copy.message).bind(2, std::uint64_t{copy.packet_id});
    if (auto done = move_copy_.bind(3, std::uint64_t{copy.step}).bind(4, id).run(); !done) {
      return done;
    }
  }
  for (const BrokerId copy : changes.erased_copies_) {
    if (auto done = erase_copy_.bind(1, copy).run(); !done) return done;
  }
  return {};
}

Result<void> BrokerTables::apply_filters(const BrokerChanges& changes) {
  for (const auto& [key, filter] : changes.filters_) {
    const auto& [session, group, text] = key;
    Statement& statement = filter.erased ? erase_filter_ : put_filter_;
    statement.bind(1, session).bind(2, group).bind(3, text);
    if (!filter.erased) {
      statement.bind(4, std::uint64_t{filter.options})
          .bind(5, std::uint64_t{filter.subscription_id});
    }
    if (auto done = statement.run(); !done) return done;
  }
  for (const auto& [key, is_held] : changes.held_) {
    auto& statement = is_held ? hold_ : release_;
    if (auto done = statement.bind(1, key).run(); !done) return done;
  }
  return {};
}

// After all the rest: an ended session takes with it what it put in the same group.
Result<void> BrokerTables::apply_sessions(const BrokerChanges& changes) {
  for (const auto& [id, row] : changes.sessions_) {
    const auto& left = row.left.at;
    put_session_.bind(1, id).bind(2, row.client_id).bind(3, row.identity);
    put_session_.bind(4, std::uint64_t{row.protocol});
    put_session_.bind(5, static_cast<std::uint64_t>(row.expires_after_ms));
    put_session_.bind(6, std::uint64_t{row.is_away});
    put_session_.bind(7, static_cast<std::uint64_t>(left.wall_ms));
    put_session_.bind(8, static_cast<std::uint64_t>(left.mono_ms));
    put_session_.bind(9, std::uint64_t{row.left.boot});
    put_session_.bind(10, std::uint64_t{left.quality == ClockQuality::kSynchronised});
    if (auto done = put_session_.run(); !done) return done;
  }
  for (const BrokerId id : changes.erased_sessions_) {
    if (auto done = erase_session_.bind(1, id).run(); !done) return done;
    if (auto done = erase_filters_.bind(1, id).run(); !done) return done;
    erase_held_.bind(1, held_key(id, 0)).bind(2, held_key(id, 0xFFFF));
    if (auto done = erase_held_.run(); !done) return done;
  }
  return {};
}

namespace {

// Calls visit(statement) for each row.
template <class Visit>
Result<void> for_each_row(Database& database, const char* sql, Visit&& visit) {
  auto statement = database.prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  for (;;) {
    const auto row = statement->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) return {};
    visit(*statement);
  }
}

SessionRow read_session(const Statement& at) {
  SessionRow row;
  row.id = at.integer(0);
  row.client_id = at.text(1);
  row.identity = at.text(2);
  row.protocol = static_cast<std::uint8_t>(at.integer(3));
  row.expires_after_ms = static_cast<std::int64_t>(at.integer(4));
  row.is_away = at.integer(5) != 0;
  row.left.at.wall_ms = static_cast<std::int64_t>(at.integer(6));
  row.left.at.mono_ms = static_cast<std::int64_t>(at.integer(7));
  row.left.boot = static_cast<std::uint32_t>(at.integer(8));
  row.left.at.quality =
      at.integer(9) != 0 ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
  return row;
}

SubscriptionRow read_subscription(const Statement& at) {
  return {at.integer(0), std::string(at.text(2)), std::string(at.text(1)),
          static_cast<std::uint8_t>(at.integer(3)), static_cast<std::uint32_t>(at.integer(4))};
}

CopyRow read_copy(const Statement& at) {
  CopyRow row;
  row.id = at.integer(0);
  row.session = at.integer(1);
  row.message = at.integer(2);
  row.subscription_id = static_cast<std::uint32_t>(at.integer(3));
  row.packet_id = static_cast<std::uint16_t>(at.integer(4));
  row.qos = static_cast<std::uint8_t>(at.integer(5));
  row.retain = at.integer(6) != 0;
  row.step = static_cast<std::uint8_t>(at.integer(7));
  return row;
}

void read_message(const Statement& at, SegmentCodec& codec, BrokerLoader& loader) {
  MessageRow row;
  row.id = at.integer(0);
  const auto body = codec.decode(at.integer(1), at.integer(2), at.blob(3), head_of(row.id));
  if (body && read_body(*body, row)) {
    loader.on_message(row);
  } else {
    loader.on_damaged_message(row.id);
  }
}

// A kind that is damaged does not keep the next from being read; the first error comes back.
Result<void> load_rows(Database& database, SegmentCodec& codec, BrokerLoader& loader) {
  Result<void> result;
  const auto load = [&](const char* sql, auto visit) {
    auto done = for_each_row(database, sql, visit);
    if (!done && result) result = std::move(done);
  };
  load(
      "SELECT (SELECT ifnull(max(id), 0) FROM broker_session),"
      "(SELECT ifnull(max(id), 0) FROM broker_message),"
      "(SELECT ifnull(max(id), 0) FROM broker_copy)",
      [&loader](const Statement& at) {
        loader.on_last_ids(at.integer(0), at.integer(1), at.integer(2));
      });
  load("SELECT * FROM broker_session ORDER BY id",
       [&loader](const Statement& at) { loader.on_session(read_session(at)); });
  load("SELECT * FROM broker_filter",
       [&loader](const Statement& at) { loader.on_subscription(read_subscription(at)); });
  load("SELECT key FROM broker_held", [&loader](const Statement& at) {
    loader.on_held(at.integer(0) >> 16U, static_cast<std::uint16_t>(at.integer(0) & 0xFFFFU));
  });
  load("SELECT * FROM broker_message ORDER BY id",
       [&](const Statement& at) { read_message(at, codec, loader); });
  load("SELECT message FROM broker_retained ORDER BY message",
       [&loader](const Statement& at) { loader.on_retained(at.integer(0)); });
  load("SELECT * FROM broker_copy ORDER BY id",
       [&loader](const Statement& at) { loader.on_copy(read_copy(at)); });
  return result;
}

}  // namespace

Result<void> load_broker_state(Database& database, const std::vector<Key>& keys,
                               BrokerLoader& loader) {
  SegmentCodec codec(keys);
  // One snapshot, for the kinds refer to each other.
  if (auto begun = database.exec("BEGIN"); !begun) return begun;
  auto done = load_rows(database, codec, loader);
  (void)database.exec("COMMIT");
  return done;
}

}  // namespace tg::store
