#include "daemon/store/writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string_view>
#include <system_error>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/quarantine.h"
#include "daemon/store/wal_check.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr int kCheckpointPages = 1024;  // 4 MiB of WAL
constexpr std::int64_t kClockStepMs = 1000;
constexpr int kCorruptLimit = 3;
constexpr std::uint64_t kEvictBytes = 256 << 10;  // at a time, so that not each commit evicts

constexpr std::uint64_t kBrokerTablePages = 12;  // what the b-trees may need beside the rows

// Removed when a full disk is in the way of opening: SQLite makes its -shm anew each time.
constexpr const char* kBallast = "ballast";
constexpr off_t kBallastBytes = 128 << 10;

void keep_ballast(const std::filesystem::path& directory) {
  const UniqueFd file(::open((directory / kBallast).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (file.get() >= 0) (void)::posix_fallocate(file.get(), 0, kBallastBytes);
}

// What the broker keeps has no priority of its own: it comes before every stream.
std::uint64_t broker_pages(const Group& group) {
  if (group.broker.empty()) return 0;
  return group.broker.bytes() / (kPageBytes - 64) + kBrokerTablePages;
}

}  // namespace

Writer::Writer(std::filesystem::path file, StoreOptions options, std::vector<Key> keys,
               const Clock& clock)
    : file_(std::move(file)),
      options_(std::move(options)),
      boot_id_(boot_id()),
      clock_(clock),
      codec_(std::move(keys)),
      mark_(file_.string() + "-mark"),
      space_(file_.parent_path(), options_.space) {}

Result<Opened> Writer::open() {
  std::error_code error;
  const bool exists = std::filesystem::exists(file_, error);
  const auto wal_size = std::filesystem::file_size(file_.string() + "-wal", error);
  const bool has_wal = !error && wal_size > 0;
  const bool is_first = !database_;  // later the WAL is this process's own
  bool lost = is_first && exists && has_lost_commits(file_.string() + "-wal");
  if (std::exchange(is_damaged_, false)) {
    return replace({ErrorCode::kCorrupt, "the database cannot be read"});
  }
  auto opened = try_open();
  const auto ballast = file_.parent_path() / kBallast;
  const bool perhaps_full =
      !opened && (opened.error().code == ErrorCode::kFull || opened.error().code == ErrorCode::kIo);
  if (perhaps_full && std::filesystem::remove(ballast, error)) opened = try_open();
  lost = lost || (is_first && opened && mark_.is_ahead_of(*opened));
  if (opened && (lost || (exists && !has_wal && opened->kept_wal))) {
    if (auto sound = check_without_wal(*opened); !sound) opened = tl::unexpected(sound.error());
  }
  if (!opened && opened.error().code == ErrorCode::kCorrupt) opened = replace(opened.error());
  if (!opened) return opened;
  keep_ballast(file_.parent_path());
  if (database_->checkpoint()) save_head();  // else with the next checkpoint
  epoch_ = opened->epoch;
  write_mark();
  return opened;
}

// The database is as it was before the commits that the WAL has lost: acknowledged records are
// gone, and their numbers would come a second time.
Result<void> Writer::check_without_wal(Opened& opened) {
  std::error_code error;
  log::warning(kLog,
               "streams.db-wal is damaged, cut short or not there: streams.db ({} MiB) is read "
               "through before "
               "it is used",
               std::filesystem::file_size(file_, error) >> 20U);
  auto check = database_->prepare("PRAGMA quick_check(1)");
  if (!check) return tl::unexpected(check.error());
  const auto row = check->step();
  if (!row) return tl::unexpected(row.error());
  if (check->text(0) != "ok") {
    return fail(ErrorCode::kCorrupt,
                fmt::format("its WAL is damaged or was deleted: {}", std::string(check->text(0))));
  }
  check->reset();
  // All of the WAL is copied: the next write begins it anew, over the commits that this start
  // found.
  (void)database_->checkpoint();
  auto fresh = renew_epoch(*database_);
  if (!fresh) return tl::unexpected(fresh.error());
  opened.epoch = std::move(*fresh);
  log::error(kLog,
             "streams.db-wal is damaged, cut short or not there: commits since the last checkpoint "
             "may be lost; epoch {} begins",
             opened.epoch);
  return {};
}

Result<Opened> Writer::replace(const Error& damage) {
  close();
  const auto set = quarantine(file_, clock_.now().wall_ms);
  if (!set) return tl::unexpected(set.error());
  auto opened = try_open();
  if (!opened) return opened;
  log::error(kLog, "the database is damaged ({}): it is now in {}, epoch {} begins", damage.message,
             set->string(), opened->epoch);
  epoch_ = opened->epoch;
  quarantined_ = *set;
  return opened;
}

void Writer::write_mark() {
  std::vector<Seq> next;
  for (const auto& segments : segments_) next.push_back(segments.next());
  mark_.write(epoch_, stream_ids_, next);
}

void Writer::close() {
  backup_.reset();
  update_reader_ = {};
  put_state_ = {};
  delete_state_ = {};
  broker_tables_ = {};
  segments_.clear();
  space_.forget();
  database_.reset();
}

Result<Opened> Writer::try_open() {
  close();
  has_head_ = false;
  auto database = open_writer(file_, codec_.keys());
  if (!database) return tl::unexpected(database.error());
  database_.emplace(std::move(*database));
  auto opened = prepare_schema(*database_, options_, codec_.keys(), boot_id_);
  if (!opened) return opened;
  stream_ids_.clear();
  for (std::size_t i = 0; i < opened->streams.size(); ++i) {
    const auto& row = opened->streams[i];
    stream_ids_.push_back(row.id);
    auto segments =
        Segments::load(*database_, row, opened->boot, codec_, options_.streams[i].compress);
    if (!segments) return tl::unexpected(segments.error());
    segments_.push_back(std::move(*segments));
  }
  detached_ = opened->detached;
  boot_ = opened->boot;
  boot_offsets_.clear();
  auto offsets =
      database_->prepare("SELECT id, wall_offset_ms FROM boot WHERE wall_offset_ms IS NOT NULL");
  if (!offsets) return tl::unexpected(offsets.error());
  for (;;) {
    const auto row = offsets->step();
    if (!row) return tl::unexpected(row.error());
    if (!*row) break;
    boot_offsets_[static_cast<std::uint32_t>(offsets->integer(0))] =
        static_cast<std::int64_t>(offsets->integer(1));
  }
  saved_positions_ = opened->positions;
  auto update =
      database_->prepare("UPDATE reader SET next_seq = ? WHERE stream_id = ? AND name = ?");
  auto put = database_->prepare("INSERT OR REPLACE INTO state VALUES(?, ?, ?)");
  auto remove = database_->prepare("DELETE FROM state WHERE owner = ? AND key = ?");
  if (!update || !put || !remove) return tl::unexpected(database_->error("prepare"));
  if (auto done = space_.prepare(*database_, clock_.mono_ms()); !done) {
    return tl::unexpected(done.error());
  }
  update_reader_ = std::move(*update);
  put_state_ = std::move(*put);
  delete_state_ = std::move(*remove);
  auto broker_tables = BrokerTables::prepare(*database_, codec_);
  if (!broker_tables) return tl::unexpected(broker_tables.error());
  broker_tables_ = std::move(*broker_tables);
  (void)broker_tables_.rekey();  // fails on a full disk; then the next start tries again
  return opened;
}

Result<Committed> Writer::commit(const Group& group) {
  std::shared_ptr<const Opened> reopened;
  if (group.options != nullptr) options_ = *group.options;
  if (!group.damaged_epoch.empty() && group.damaged_epoch == epoch_) is_damaged_ = true;
  if (group.options != nullptr || is_damaged_ || !database_ ||
      segments_.size() != options_.streams.size()) {
    auto opened = open();
    if (!opened) return tl::unexpected(opened.error());
    reopened = std::make_shared<const Opened>(std::move(*opened));
  }
  Committed result;
  auto done = database_->exec("BEGIN IMMEDIATE");
  if (done) done = apply(group, result);
  if (done) done = database_->exec("COMMIT");
  if (!done) {
    Error error = done.error();
    (void)database_->exec("ROLLBACK");  // fails when SQLite has rolled back by itself
    segments_.clear();                  // opened anew by the next commit
    corrupt_in_a_row_ = error.code == ErrorCode::kCorrupt ? corrupt_in_a_row_ + 1 : 0;
    is_damaged_ = corrupt_in_a_row_ >= kCorruptLimit;
    return tl::unexpected(std::move(error));
  }
  write_mark();
  // The group knows no readers that came with its options.
  std::copy(group.positions.begin(), group.positions.end(), saved_positions_.begin());
  Committed state = summary_of_streams();
  for (std::size_t i = 0; i < state.streams.size(); ++i) {
    state.streams[i].evicted = std::move(result.streams[i].evicted);
  }
  state.missed = std::move(result.missed);
  state.space = result.space;
  state.more_to_delete = result.more_to_delete;
  corrupt_in_a_row_ = 0;
  state.quarantined = take_quarantined();
  state.opened = std::move(reopened);
  return state;
}

Result<void> Writer::apply(const Group& group, Committed& result) {
  result.streams.resize(segments_.size());
  result.missed.resize(options_.readers.size());
  for (const auto& change : group.reader_changes) {  // a reader that goes lets its records go
    if (auto done = apply_change(change); !done) return done;
  }
  for (std::size_t stream = 0; stream < segments_.size(); ++stream) {
    if (auto done = delete_old(stream, group, result); !done) return done;
  }
  const auto has_room = make_room(group, result);
  if (!has_room) return tl::unexpected(has_room.error());
  for (std::size_t stream = 0; stream < segments_.size(); ++stream) {
    if (auto done = add(stream, group, (*has_room)[stream], result); !done) return done;
  }
  if (auto done = note_clock(group.now); !done) return done;
  if (auto done = apply_readers(group); !done) return done;
  if (auto done = apply_state(group); !done) return done;
  if (auto done = broker_tables_.apply(group.broker); !done) return done;
  const auto space = space_.status(group.now.mono_ms);
  if (!space) return tl::unexpected(space.error());
  result.space = *space;
  return {};
}

// What every reader has passed, and what is over the stream's own limits.
Result<void> Writer::delete_old(std::size_t stream, const Group& group, Committed& result) {
  auto& segments = segments_[stream];
  const auto& options = options_.streams[stream];
  if (const auto passed = slowest_reader(stream, group)) {
    const auto more = segments.drop_passed(*passed);
    if (!more) return tl::unexpected(more.error());
    result.more_to_delete = result.more_to_delete || *more;
  }
  const std::uint64_t incoming = incoming_bytes(stream, group);
  if (options.when_full == WhenFull::kDropOldest && incoming > 0 &&
      segments.bytes() + incoming > options.max_size) {
    const Seq first = segments.first();
    const auto count =
        segments.evict_bytes(segments.bytes() + incoming - options.max_size, "max_size");
    if (!count) return tl::unexpected(count.error());
    note_eviction(stream, first, first + *count, "max_size", group, result);
  }
  if (options.max_age_ms > 0) {
    const Seq first = segments.first();
    const auto count = segments.evict_age(options.max_age_ms, group.now, boot_offsets_);
    if (!count) return tl::unexpected(count.error());
    note_eviction(stream, first, first + *count, "max_age", group, result);
  }
  return {};
}

// By stream: whether its new records can be stored.
Result<std::vector<bool>> Writer::make_room(const Group& group, Committed& result) {
  std::vector<std::size_t> order(segments_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [this](std::size_t a, std::size_t b) {
    return options_.streams[a].priority < options_.streams[b].priority;
  });
  std::vector<bool> has_room(segments_.size(), true);
  std::uint64_t pages = broker_pages(group);
  if (pages > 0 && !order.empty()) {
    const auto found = secure(pages, order.front(), group, result);
    if (!found) return tl::unexpected(found.error());
    if (!*found) pages = 0;  // tried all the same: it may free what it takes
  }
  for (const std::size_t stream : order) {
    const std::uint64_t own = pages_for(stream, group);
    if (own == 0) continue;
    const auto found = secure(pages + own, stream, group, result);
    if (!found) return tl::unexpected(found.error());
    if (*found) {
      pages += own;
    } else if (options_.streams[stream].when_full == WhenFull::kReject) {
      return fail(ErrorCode::kFull, fmt::format("there is no room for stream {} ({})",
                                                options_.streams[stream].name, space_.cause()));
    } else {
      has_room[stream] = false;
    }
  }
  return has_room;
}

// More of what every reader has passed than a commit deletes otherwise.
Result<bool> Writer::drop_more(const Group& group) {
  for (std::size_t stream = 0; stream < segments_.size(); ++stream) {
    const auto passed = slowest_reader(stream, group);
    if (!passed) continue;
    const Seq before = segments_[stream].first();
    if (auto done = segments_[stream].drop_passed(*passed); !done) return done;
    if (segments_[stream].first() != before) return true;
  }
  return false;
}

Result<bool> Writer::secure(std::uint64_t pages, std::size_t stream, const Group& group,
                            Committed& result) {
  for (;;) {
    auto enough = space_.provide(pages, group.now.mono_ms);
    if (!enough || *enough) return enough;
    auto dropped = drop_more(group);
    if (!dropped) return dropped;
    if (*dropped) continue;
    if (remove_salvaged_set(file_.parent_path())) {
      space_.measure_anew();
      continue;
    }
    const auto victim = next_victim(options_.streams[stream].priority);
    if (!victim) return false;
    auto& segments = segments_[*victim];
    const Seq first = segments.first();
    const auto count = segments.evict_bytes(kEvictBytes, space_.cause());
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return false;
    note_eviction(*victim, first, first + *count, space_.cause(), group, result);
  }
}

// The lowest priority first; of equal ones the stream with the oldest record.
std::optional<std::size_t> Writer::next_victim(int priority) const {
  std::optional<std::size_t> best;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const auto& options = options_.streams[i];
    if (options.when_full != WhenFull::kDropOldest || options.priority < priority ||
        segments_[i].bytes() == 0) {
      continue;
    }
    const auto rank = [this](std::size_t stream) {
      return std::pair{-options_.streams[stream].priority, segments_[stream].oldest_wall_ms()};
    };
    if (!best || rank(i) < rank(*best)) best = i;
  }
  return best;
}

Result<void> Writer::add(std::size_t stream, const Group& group, bool has_room, Committed& result) {
  auto& segments = segments_[stream];
  if (stream < group.segments.size()) {
    for (const auto& draft : group.segments[stream]) {
      if (!has_room) {
        segments.skip(draft, space_.cause());
        note_eviction(stream, draft.first, draft.first + draft.count, space_.cause(), group,
                      result);
        continue;
      }
      if (auto done = segments.append(draft); !done) return done;
      if (auto done = segments.merge_tail(); !done) return done;
    }
  }
  return segments.save();
}

// Records [first, end) went before every reader had passed them.
void Writer::note_eviction(std::size_t stream, Seq first, Seq end, const char* reason,
                           const Group& group, Committed& result) const {
  if (end <= first) return;
  auto& evicted = result.streams[stream].evicted;
  const auto at = std::find_if(evicted.begin(), evicted.end(), [reason](const auto& e) {
    return std::string_view(e.reason) == reason;
  });
  if (at == evicted.end()) {
    evicted.push_back({reason, end - first});
  } else {
    at->records += end - first;
  }
  for (std::size_t i = 0; i < options_.readers.size(); ++i) {
    if (options_.readers[i].stream != options_.streams[stream].name) continue;
    const Seq position = i < group.positions.size() ? group.positions[i] : saved_positions_[i];
    if (position < end) result.missed[i] += end - std::max(first, position);
  }
}

std::uint64_t Writer::incoming_bytes(std::size_t stream, const Group& group) {
  std::uint64_t bytes = 0;
  if (stream >= group.segments.size()) return 0;
  for (const auto& draft : group.segments[stream]) bytes += draft.records.size();
  return bytes;
}

// With what the b-tree may need beside the records.
std::uint64_t Writer::pages_for(std::size_t stream, const Group& group) {
  std::uint64_t pages = 0;
  if (stream >= group.segments.size()) return 0;
  for (const auto& draft : group.segments[stream]) {
    pages += draft.records.size() / (kPageBytes - 64) + 3;
  }
  return pages;
}

std::optional<Seq> Writer::slowest_reader(std::size_t stream, const Group& group) const {
  std::optional<Seq> slowest;
  const auto consider = [&slowest](Seq position) {
    slowest = slowest ? std::min(*slowest, position) : position;
  };
  const std::string& name = options_.streams[stream].name;
  for (std::size_t i = 0; i < options_.readers.size(); ++i) {
    if (options_.readers[i].stream != name || options_.readers[i].discarded) continue;
    consider(i < group.positions.size() ? group.positions[i] : saved_positions_[i]);
  }
  for (const auto& reader : detached_) {
    if (reader.stream == name) consider(reader.position);
  }
  return slowest;
}

// Where the wall clock stands in this boot: records that came before it was synchronised, or before
// it was set right, are dated by it.
Result<void> Writer::note_clock(const Timestamp& now) {
  if (now.quality != ClockQuality::kSynchronised) return {};
  const std::int64_t offset = now.wall_ms - now.mono_ms;
  const auto known = boot_offsets_.find(boot_);
  if (known != boot_offsets_.end() && std::abs(known->second - offset) < kClockStepMs) return {};
  auto update = database_->prepare("UPDATE boot SET wall_offset_ms = ? WHERE id = ?");
  if (!update) return tl::unexpected(update.error());
  update->bind(1, static_cast<std::uint64_t>(offset)).bind(2, std::uint64_t{boot_});
  if (auto done = update->run(); !done) return done;
  boot_offsets_[boot_] = offset;
  return {};
}

Result<void> Writer::apply_change(const ReaderChange& change) {
  const bool discard = change.kind == ReaderChange::Kind::kDiscard;
  const char* const sql =
      discard ? "DELETE FROM reader WHERE name = ?1 AND detached = 1 AND stream_id = "
                "(SELECT id FROM stream WHERE name = ?2)"
              : "UPDATE reader SET paused = ?3 WHERE name = ?1 AND stream_id = "
                "(SELECT id FROM stream WHERE name = ?2)";
  if (discard) {
    std::erase_if(detached_, [&change](const auto& reader) {
      return reader.stream == change.stream && reader.name == change.name;
    });
    for (auto& reader : options_.readers) {
      if (reader.stream != change.stream || reader.name != change.name) continue;
      reader.discarded = true;
      // It was in the file when the store was opened: its row does not say that it has gone.
      auto mark = database_->prepare(
          "UPDATE reader SET detached = 1 WHERE name = ?1 AND stream_id = "
          "(SELECT id FROM stream WHERE name = ?2)");
      if (!mark) return tl::unexpected(mark.error());
      if (auto done = mark->bind(1, change.name).bind(2, change.stream).run(); !done) return done;
    }
  }
  auto statement = database_->prepare(sql);
  if (!statement) return tl::unexpected(statement.error());
  statement->bind(1, change.name).bind(2, change.stream);
  if (!discard) {
    statement->bind(3, std::uint64_t{change.kind == ReaderChange::Kind::kPause ? 1U : 0U});
  }
  return statement->run();
}

Result<void> Writer::apply_readers(const Group& group) {
  for (std::size_t i = 0; i < group.positions.size(); ++i) {
    if (group.positions[i] == saved_positions_[i]) continue;
    const auto& reader = options_.readers[i];
    const auto at = std::find_if(options_.streams.begin(), options_.streams.end(),
                                 [&reader](const auto& s) { return s.name == reader.stream; });
    const auto stream = static_cast<std::size_t>(at - options_.streams.begin());
    update_reader_.bind(1, group.positions[i]).bind(2, stream_ids_[stream]).bind(3, reader.name);
    if (auto done = update_reader_.run(); !done) return done;
  }
  return {};
}

Result<void> Writer::apply_state(const Group& group) {
  for (const auto& put : group.state) {
    auto done = put.value.empty()
                    ? delete_state_.bind(1, put.owner).bind(2, put.key).run()
                    : put_state_.bind(1, put.owner).bind(2, put.key).bind_blob(3, put.value).run();
    if (!done) return done;
  }
  return {};
}

Result<void> Writer::checkpoint(bool idle) {
  if (!database_) return {};
  const int pages = database_->wal_pages();
  if (pages < kCheckpointPages && (!idle || pages == 0)) return {};
  if (auto done = database_->checkpoint(); !done) return done;
  if (!has_head_) save_head();
  return {};
}

// Where each table begins: without its first page nothing in the database can be found.
void Writer::save_head() { has_head_ = database_->copy_head(file_.string() + "-head").has_value(); }

Result<void> Writer::begin_backup() {
  remove_backup();
  if (!database_) return fail(ErrorCode::kBusy, "the database is being opened anew");
  auto backup = Backup::begin(*database_, backup_file(file_.parent_path()));
  if (!backup) return tl::unexpected(backup.error());
  backup_ = std::move(*backup);
  return {};
}

Result<BackupStatus> Writer::step_backup() {
  const auto complete = backup_->step();
  if (!complete) {
    remove_backup();
    return tl::unexpected(complete.error());
  }
  BackupStatus status;
  status.state = *complete ? BackupStatus::State::kReady : BackupStatus::State::kCopying;
  status.copied_bytes = backup_->copied_pages() * kPageBytes;
  status.bytes = backup_->pages() * kPageBytes;
  if (*complete) backup_.reset();
  return status;
}

void Writer::remove_backup() {
  backup_.reset();
  std::error_code error;
  std::filesystem::remove(backup_file(file_.parent_path()), error);
}

Committed Writer::summary() {
  Committed state = summary_of_streams();
  if (const auto space = space_.status(clock_.mono_ms())) state.space = *space;
  return state;
}

Committed Writer::summary_of_streams() const {
  Committed state;
  for (const auto& segments : segments_) {
    state.streams.push_back({segments.first(),
                             segments.next(),
                             segments.bytes(),
                             segments.oldest_wall_ms(),
                             segments.evicted_reason(),
                             {}});
  }
  return state;
}

}  // namespace tg::store
