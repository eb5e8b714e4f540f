// The durable streams (design §6): what devices send is appended here, committed in groups by the
// store thread (T1), read back by the reader thread, and deleted when every reader has passed it.
//
// Thread: every function is the loop's (T0) and returns at once; callbacks run on the loop too.
// Atomicity: all calls made within one handler of the loop (append, advance, put_state, await) are
//   committed in one transaction or not at all: the open group is handed over only between
//   handlers.
// Group commit: one group is being committed, one is filling. A group goes when the store thread is
//   free and, for one of the streams in it, commit_interval has passed since the last commit (a
//   publish after a pause goes at once), or it holds 64 KiB. While the senders that the last commit
//   answered are about to send again, it waits for them, at most a quarter of what that commit
//   took. Tokens are answered in order of await().
// Failure: a group that cannot be committed comes back, takes in what has come since, and is tried
//   again after a pause that grows from 0.1 s to 5 s; none of its tokens is answered before. After
//   2 s of that nothing more is admitted, but for streams that may be lost.
// Damage: a segment that is damaged becomes a gap. A database that is damaged is moved aside and a
//   new one begun, with a new epoch; what can be read of the old one comes back into the streams,
//   as new records.
// Limits: pending_bytes for what is not yet committed; each stream's max_size and max_age; one
//   budget for all files (SpaceLimits). When the budget or the disk is full, the stream with the
//   lowest priority gives way, its oldest records first; a record evicts only streams of its own or
//   a lower priority, and only those with drop-oldest.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/post.h"
#include "daemon/base/result.h"
#include "daemon/base/timers.h"
#include "daemon/store/record.h"

namespace tg::store {

using StreamId = std::uint16_t;  // index of the stream in StoreOptions::streams
using ReaderId = std::uint16_t;  // index of the reader in StoreOptions::readers
using Seq = std::uint64_t;       // 1 is the first of an epoch
using Token = std::uint64_t;     // the caller's; given back when durable

enum class WhenFull : std::uint8_t { kDropOldest, kDropNewest, kReject };
enum class StartAt : std::uint8_t { kOldest, kNow };

struct StreamOptions {
  std::string name;
  int priority = 5;
  std::uint64_t max_size = 1ULL << 30;  // bytes of its segments
  std::int64_t max_age_ms = 0;          // 0 = no limit by age
  WhenFull when_full = WhenFull::kDropOldest;
  std::int64_t commit_interval_ms = 20;
  bool compress = false;     // segments on disk, zstd
  bool may_be_lost = false;  // acknowledged before the commit (durability: memory)
  bool operator==(const StreamOptions&) const = default;
};

struct ReaderOptions {
  std::string stream;
  std::string name;  // of the export or processor
  StartAt start = StartAt::kOldest;
  bool detached = false;   // it has gone since the store was opened, and still holds its records
  bool discarded = false;  // …and does not hold them any more
  bool operator==(const ReaderOptions&) const = default;
};

// Of all files of the directory, WAL and quarantine included.
struct SpaceLimits {
  std::uint64_t max_bytes = 0;  // 0 = no limit
  int max_percent = 0;          // of the file system, instead of max_bytes
  std::uint64_t min_free = 0;   // left to others
};

// A copy of the database that the operator has asked for.
struct BackupStatus {
  enum class State : std::uint8_t { kNone, kCopying, kReady, kFailed };
  State state = State::kNone;
  std::uint64_t copied_bytes = 0;
  std::uint64_t bytes = 0;  // about, before it is ready
  std::string error;
};
// Where it lies.
[[nodiscard]] std::filesystem::path backup_file(const std::filesystem::path& directory);

struct SpaceStatus {
  std::uint64_t used_bytes = 0;
  std::uint64_t limit_bytes = 0;  // 0 = no limit
  std::uint64_t room_bytes = 0;   // what can be stored before something gives way, about
};

struct StoreOptions {
  std::filesystem::path directory;  // streams.db lies in it
  std::uint64_t pending_bytes = 32ULL << 20;
  bool flash_saver = false;  // raises every commit_interval to 1 s
  SpaceLimits space;
  bool encrypt = false;
  std::string keys;  // of the encryption, as keys.h reads them
  std::vector<StreamOptions> streams;
  std::vector<ReaderOptions> readers;
};

// May these streams take a record of that size now?
enum class Admission : std::uint8_t {
  kYes,
  kDiscard,  // a full stream with drop-newest is among them: leave it out and acknowledge
  kBusy,     // pending_bytes are used up: hold the publisher until on_room
  kFull,     // a full stream with reject, or the disk: do not acknowledge
};

enum class Health : std::uint8_t {
  kOk,
  kFailing,  // commits fail (disk full, I/O error); they are tried again
  kStalled,  // the store thread has been inside one call for over 10 s
};

// A run of records with consecutive sequence numbers, owned.
struct Chunk {
  Seq first = 0;
  std::vector<Record> records;       // views into `segments`
  std::deque<std::string> segments;  // raw bytes; not to be touched (a deque does not move them)
  // Records from `asked` up to first-1 are gone (evicted or damaged) when first > asked.
  Seq asked = 0;
  std::string gap_reason;  // max_size | max_age | corrupt | …; empty without a gap
  [[nodiscard]] Seq end() const { return first + records.size(); }
};

struct StreamStatus {
  std::string name;
  Seq first = 1;  // oldest stored
  Seq next = 1;   // the next to be committed; next - first records are stored
  std::uint64_t bytes = 0;
  std::int64_t oldest_wall_ms = 0;  // 0 when empty
  std::uint64_t evicted = 0;        // records, since start
};

struct ReaderStatus {
  std::string stream;
  std::string name;
  Seq position = 1;  // everything below has been passed
  bool detached = false;
  bool paused = false;
  std::uint64_t missed = 0;  // records evicted before it had passed them, since start
};

class BrokerChanges;
class BrokerLoader;

class Store {
 public:
  struct Events {
    // Durable, in order of await().
    std::function<void(std::span<const Token>)> on_committed;
    // Pending bytes have fallen below half after a kBusy.
    std::function<void()> on_room;
    // A stream has new committed records, or a reader of it goes on after a pause.
    std::function<void(StreamId)> on_advanced;
    // rewind() has set a reader back: it begins anew at position().
    std::function<void(ReaderId)> on_rewound;
    std::function<void(Health, std::string_view reason)> on_health;
    // A damaged database has been put aside, and with it the broker's state.
    std::function<void()> on_replaced;
  };

  // Opens or makes DIR/streams.db. The time does not depend on what is stored.
  static Result<std::unique_ptr<Store>> open(StoreOptions options, const Clock& clock,
                                             Timers& timers, Post post, Metrics& metrics);
  // Commits what is pending (at most 10 s), ends both threads. Their callbacks are dropped.
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  void set_events(Events events);

  // Takes over limits and intervals of streams, and new streams and readers, which get the next
  // ids; `done` runs when they can be used. What `next` does not name stays: a stream as it is, a
  // reader detached. The directory stays too. Not before the last one is done.
  void reconfigure(StoreOptions next, Task done);

  // --- writing
  [[nodiscard]] Admission admit(std::span<const StreamId> streams, std::size_t record_bytes);
  // After admit() said kYes in the same handler. received.boot is filled in here.
  Seq append(StreamId stream, Record record);
  // The same for one that comes from elsewhere: it keeps the time it has, and its age begins now.
  Seq append_copy(StreamId stream, Record record);
  // A record that this stream has no room for and whose sender is not told: counted, and logged
  // once.
  void drop(StreamId stream);
  void await(Token token);
  // Runs when all that was appended, advanced and put before is durable.
  void after_commit(Task task);
  // Small named values (a plugin's state), committed with the group. Empty value = delete.
  void put_state(std::string_view owner, std::string_view key, std::string_view value);

  // --- the broker's state
  // The changes of the open group, for use within the handler. They are committed within a second,
  // or with whatever is due sooner.
  BrokerChanges& broker_changes();
  // Somebody waits for the changes made so far: they are committed as soon as a stream's with the
  // default commit_interval.
  void await_broker(Token token);
  // Reads all of it on the loop's thread: for start-up. When it is damaged, the loader gets what
  // can be read, and the database is replaced (on_replaced).
  Result<void> load_broker(BrokerLoader& loader);

  // --- reading
  // Up to max_bytes of records (at least one) from `from` on. Answers with an empty chunk when
  // there is nothing committed at or after `from`; with Error kCorrupt never: damage becomes a gap.
  void read(StreamId stream, Seq from, std::size_t max_bytes,
            std::function<void(Result<Chunk>)> done);
  void get_state(
      std::string_view owner,
      std::function<void(Result<std::vector<std::pair<std::string, std::string>>>)> done);

  [[nodiscard]] Seq position(ReaderId reader) const;
  // Everything below `next` has been handled by this reader for good.
  void advance(ReaderId reader, Seq next);

  // --- readers, as the operator wants them
  // Gives up the records that a detached reader still holds; false when there is no such reader.
  bool discard_reader(std::string_view stream, std::string_view name);
  // A paused reader is to read nothing, and holds its records; it stays so over a restart.
  void set_paused(ReaderId reader, bool paused);
  [[nodiscard]] bool is_paused(ReaderId reader) const;
  // Back to `to`, or to the oldest record that is stored; where it stands now. In a task of
  // after_commit() no commit is under way that could still delete what it goes back to.
  Seq rewind(ReaderId reader, Seq to);

  // --- backup
  // Begins to copy the database into backup_file() while commits go on (backup.h): what comes until
  // the copy is ready is in it. kBusy while there is one, kFull when there is no room for it.
  Result<void> begin_backup();
  // Stops it; its file goes. It goes by itself ten minutes after it is ready, and with the store.
  void end_backup();
  [[nodiscard]] const BackupStatus& backup() const;

  // --- state
  [[nodiscard]] std::optional<StreamId> stream_named(std::string_view name) const;
  [[nodiscard]] StreamId find_stream(std::string_view name) const;  // asserts that it exists
  [[nodiscard]] std::optional<ReaderId> find_reader(std::string_view stream,
                                                    std::string_view name) const;
  [[nodiscard]] StreamStatus status(StreamId stream) const;
  [[nodiscard]] std::size_t stream_count() const;
  [[nodiscard]] std::vector<ReaderStatus> readers() const;  // detached ones included
  [[nodiscard]] Health health() const;
  [[nodiscard]] const std::string& health_reason() const;  // empty when kOk
  [[nodiscard]] const std::string& epoch() const;  // 16 hex digits; changes with a quarantine
  [[nodiscard]] bool is_salvaging() const;         // from a damaged database
  [[nodiscard]] std::uint32_t boot() const;        // number of this run of the machine
  [[nodiscard]] std::uint64_t pending_bytes() const;
  [[nodiscard]] const SpaceStatus& space() const;  // as of the last commit
  // All of these streams may lose records: nothing waits for their commit.
  [[nodiscard]] bool may_be_lost(std::span<const StreamId> streams) const;
  // Called by the watchdog: looks whether the store thread is stuck (kStalled).
  void check_progress();

 private:
  class State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tg::store
