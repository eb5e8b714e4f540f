// The tables of streams.db and how a database is opened. Schema version 3 (migrations.h):
//
//   meta(key, value)                  schema, epoch (16 hex digits)
//   boot(id, boot_id, wall_offset_ms) one row per boot of the machine that wrote here; wall - mono
//                                     once its clock was synchronised, else NULL
//   stream(id, name, next_seq, bytes, evicted_reason)
//   reader(stream_id, name, next_seq, detached, paused)
//   state(owner, key, value)          plugins' state
//   segment_<stream id>(first_seq PRIMARY KEY, count, tier, first_wall_ms, last_wall_ms, last_boot,
//                       last_mono_ms, bytes, codec, crc, data)
//   broker_…                          broker_tables.h
//
// A table per stream: appends go to the right-most leaf, no secondary index is needed. codec, crc
// and data as segment_codec.h has them; bytes = length(data). meta may also have `keys`: ids of the
// keys that segments are encrypted with, the one in use first; and `wal` = kept.
//
// Thread: the store thread, and the loop before that thread runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/keys.h"
#include "daemon/store/sqlite.h"
#include "daemon/store/store.h"

namespace tg::store {

struct StreamRow {
  std::uint64_t id = 0;
  Seq first = 1;  // oldest stored; next when empty
  Seq next = 1;
  std::uint64_t bytes = 0;
  std::string evicted_reason;
};

struct Opened {
  std::string epoch;
  std::uint32_t boot = 0;              // index of this boot
  std::vector<StreamRow> streams;      // in order of StoreOptions::streams
  std::vector<Seq> positions;          // in order of StoreOptions::readers
  std::vector<bool> paused;            // as these
  std::vector<ReaderStatus> detached;  // readers that the options do not name
  bool kept_wal = false;               // the WAL has outlived each closing before
  std::vector<std::string> orphans;    // streams that the options do not name and that hold records
};

// The connection of the store thread, with its pragmas. Refuses, without a change to the files, a
// newer schema (migrations.h), and keys that cannot decrypt what is stored.
Result<Database> open_writer(const std::filesystem::path& file, const std::vector<Key>& keys);

// Migrates, makes what is missing, matches streams and readers by name.
Result<Opened> prepare_schema(Database& database, const StoreOptions& options,
                              const std::vector<Key>& keys, const std::string& boot_id);

// Another name for what comes from now on: what was there before may have used its numbers.
Result<std::string> renew_epoch(Database& database);

Result<StreamRow> load_stream(Database& database, std::uint64_t id);

[[nodiscard]] std::string segment_table(std::uint64_t stream_id);

}  // namespace tg::store
