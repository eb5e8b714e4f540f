// Commits groups: one transaction, one sync each. Knows no threads; the store runs it on its own.
//
// Room: what a group adds gets its pages before it is written (space.h). The most important stream
// comes first; if the store is full, the least important one that may drop its oldest records gives
// way, never one that is more important than the stream that needs the room. A stream that finds no
// room so loses the new records instead, unless its policy is reject: then the group fails (kFull)
// and is tried again.
//
// Damage: a database that cannot be opened, that fails three commits in a row as corrupt, or whose
// reads fail so, is moved aside (quarantine.h) and a new one begins, with a new epoch.
//
// After any failed commit the connection is closed; the next one opens it again and loads what the
// database says, so that a commit whose outcome was unclear is neither lost nor done twice.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/backup.h"
#include "daemon/store/broker_tables.h"
#include "daemon/store/group.h"
#include "daemon/store/schema.h"
#include "daemon/store/segment_codec.h"
#include "daemon/store/segments.h"
#include "daemon/store/sequence_mark.h"
#include "daemon/store/space.h"

namespace tg::store {

class Writer {
 public:
  Writer(std::filesystem::path file, StoreOptions options, std::vector<Key> keys,
         const Clock& clock);

  // What is found there. Also the way back after a failure.
  Result<Opened> open();
  // Where open() has put a damaged database since the last call; empty = it has not.
  std::filesystem::path take_quarantined() { return std::exchange(quarantined_, {}); }
  // The group keeps what it holds; the caller gives it back with the result.
  Result<Committed> commit(const Group& group);
  // When the WAL is long, or `idle` and it holds anything.
  Result<void> checkpoint(bool idle);

  [[nodiscard]] Committed summary();

  // A backup beside the database, in place of an earlier one (backup.h). Opening the database anew,
  // after a failure or for new options, ends it.
  Result<void> begin_backup();
  [[nodiscard]] bool is_backing_up() const { return backup_ != nullptr; }
  // Only while there is one.
  Result<BackupStatus> step_backup();
  // Stops it; removes its file, complete or not.
  void remove_backup();

 private:
  Result<Opened> try_open();
  Result<Opened> replace(const Error& damage);
  Result<void> check_without_wal(Opened& opened);
  void close();
  void save_head();
  void write_mark();
  Result<void> apply(const Group& group, Committed& result);
  Result<void> delete_old(std::size_t stream, const Group& group, Committed& result);
  Result<std::vector<bool>> make_room(const Group& group, Committed& result);
  Result<bool> drop_more(const Group& group);
  Result<bool> secure(std::uint64_t pages, std::size_t stream, const Group& group,
                      Committed& result);
  [[nodiscard]] std::optional<std::size_t> next_victim(int priority) const;
  Result<void> add(std::size_t stream, const Group& group, bool has_room, Committed& result);
  void note_eviction(std::size_t stream, Seq first, Seq end, const char* reason, const Group& group,
                     Committed& result) const;
  [[nodiscard]] static std::uint64_t incoming_bytes(std::size_t stream, const Group& group);
  [[nodiscard]] static std::uint64_t pages_for(std::size_t stream, const Group& group);
  Result<void> apply_change(const ReaderChange& change);
  Result<void> note_clock(const Timestamp& now);
  Result<void> apply_readers(const Group& group);
  Result<void> apply_state(const Group& group);
  [[nodiscard]] Committed summary_of_streams() const;
  [[nodiscard]] std::optional<Seq> slowest_reader(std::size_t stream, const Group& group) const;

  const std::filesystem::path file_;
  StoreOptions options_;
  const std::string boot_id_;
  const Clock& clock_;
  SegmentCodec codec_;
  SequenceMark mark_;

  std::string epoch_;
  int corrupt_in_a_row_ = 0;
  bool is_damaged_ = false;  // the next opening replaces the database
  bool has_head_ = false;    // a copy of its first page
  std::filesystem::path quarantined_;

  std::optional<Database> database_;
  std::unique_ptr<Backup> backup_;  // of database_
  Space space_;                     // holds statements of database_
  std::vector<Segments> segments_;
  std::vector<ReaderStatus> detached_;
  std::uint32_t boot_ = 0;
  BootOffsets boot_offsets_;
  std::vector<std::uint64_t> stream_ids_;
  std::vector<Seq> saved_positions_;
  Statement update_reader_;
  Statement put_state_;
  Statement delete_state_;
  BrokerTables broker_tables_;
};

}  // namespace tg::store
