#include "daemon/store/store_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/store/quarantine.h"
#include "daemon/store/schema.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kFlashSaverMs = 1000;
constexpr std::int64_t kMaxStretch = 8;        // of commit_interval on a slow disk
constexpr std::int64_t kMaxIntervalMs = 1000;  // where stretching ends
constexpr std::int64_t kMaintenanceMs = 60'000;
constexpr std::int64_t kCloseMs = 10'000;
constexpr std::int64_t kFirstRetryMs = 100;
constexpr std::int64_t kLastRetryMs = 5000;
constexpr std::int64_t kToleratedMs = 2000;     // of failing commits, before publishes are refused
constexpr std::uint64_t kPageEnds = 128 << 10;  // what a group takes beside its bytes, at most
constexpr std::int64_t kBackupKeptMs = 600'000;

}  // namespace

Store::State::~State() {
  *alive_ = false;
  timers_.cancel(due_timer_);
  timers_.cancel(maintenance_timer_);
  timers_.cancel(backup_timer_);
  if (!thread_) return;
  if (!committing_ && !open_->is_empty()) hand_over();
  // What came while the last group was being committed, and that group if it failed.
  auto rest = thread_->close(kCloseMs);
  if (backup_.state != BackupStatus::State::kNone) writer_->remove_backup();
  if (rest != nullptr) {
    rest->absorb(std::move(*open_));
  } else {
    rest = std::move(open_);
  }
  if (rest->is_empty()) return;
  rest->now = clock_.now();
  if (const auto done = writer_->commit(*rest); !done) {
    log::error(kLog,
               "the last commit failed: {}; {} acknowledgements are still owed, their senders "
               "will send again",
               done.error().message, rest->tokens.size());
  }
}

Result<void> Store::State::open() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot make the data directory {}: {}",
                                            options_.directory.string(), error.message()));
  }
  const auto file = this->file();
  if (options_.encrypt) {
    auto parsed = parse_keys(options_.keys);
    if (!parsed) {
      return fail(parsed.error().code, "store.encryption.key: " + parsed.error().message);
    }
    keys_ = std::move(*parsed);
  }
  std::filesystem::remove(backup_file(options_.directory), error);  // an earlier run's
  writer_ = std::make_unique<Writer>(file, options_, keys_, clock_);
  const auto opened = writer_->open();
  if (!opened) {
    return fail(opened.error().code,
                fmt::format("store {}: {}", file.string(), opened.error().message));
  }
  epoch_ = opened->epoch;
  boot_ = opened->boot;
  detached_ = opened->detached;
  for (const auto& reader : detached_) {
    log::warning(kLog,
                 "reader {} of stream {} is not in the configuration any more and still "
                 "holds its records (detached)",
                 reader.name, reader.stream);
  }
  for (const auto& name : opened->orphans) {
    log::warning(kLog, "stream {} holds records and is not in the configuration", name);
  }
  const auto before = writer_->summary();
  committed_ = before.streams;
  space_ = before.space;
  committing_stream_bytes_.resize(committed_.size());
  std::vector<std::uint64_t> ids;
  for (const auto& row : opened->streams) {
    next_.push_back(row.next);
    ids.push_back(row.id);
  }
  open_ = new_group();
  open_->positions = opened->positions;
  paused_ = opened->paused;
  reader_ = std::make_unique<Reader>(file, std::move(ids), keys_, guarded_post(), report_.corrupt(),
                                     [this] { replace_database(); });
  thread_ = std::make_unique<CommitThread>(
      *writer_, clock_, guarded_post(),
      CommitThread::Events{[this](Committed result) { committed(std::move(result)); },
                           [this](const Error& cause) { failed(cause); },
                           [this](const std::string& cause) { report_.checkpointed(cause); },
                           [this](std::uint64_t order, BackupStatus status) {
                             told_of_backup(order, std::move(status));
                           }});
  restore_ = std::make_unique<Restore>(restore_target(), timers_, metrics_);
  const auto set = unsalvaged_set(options_.directory);
  if (!writer_->take_quarantined().empty()) report_.quarantined();
  if (set) {
    restore_waits_ = true;
    reader_->get_state(Restore::kOwner, [this, set = *set](Result<StateEntries> state) {
      begin_restore(set, state.value_or(StateEntries()));
    });
  }
  maintain();
  return {};
}

std::optional<StreamId> Store::State::stream_named(std::string_view name) const {
  for (std::size_t i = 0; i < options_.streams.size(); ++i) {
    if (options_.streams[i].name == name) return static_cast<StreamId>(i);
  }
  return std::nullopt;
}

Restore::Target Store::State::restore_target() {
  Restore::Target target;
  target.find_stream = [this](const std::string& name) { return stream_named(name); };
  target.admit = [this](StreamId stream, std::size_t bytes) {
    // What is salvaged must not drive out what is new.
    const bool crowds = committed_[stream].bytes + bytes > options_.streams[stream].max_size ||
                        bytes > space_.room_bytes;
    if (crowds) return Admission::kFull;
    return admit({&stream, 1}, bytes);
  };
  target.append = [this](StreamId stream, const Record& record) {
    (void)append(stream, record, true);
  };
  target.put_state = [this](const std::string& key, const std::string& value) {
    open_->state.push_back({Restore::kOwner, key, value});
    touch(kStateIntervalMs);
  };
  target.after_commit = [this](Task task) {
    open_->tasks.push_back(std::move(task));
    touch(kStateIntervalMs);
  };
  target.finished = [this] {
    if (const auto set = unsalvaged_set(options_.directory)) begin_restore(*set, {});
  };
  return target;
}

void Store::State::begin_restore(const std::filesystem::path& set, const StateEntries& state) {
  log::info(kLog, "what can be read of {} is salvaged", set.string());
  restore_waits_ = false;
  restore_->begin(set, state, keys_, guarded_post());
}

void Store::State::replace_database() {
  open_->damaged_epoch = epoch_;
  touch(0);
}

// The store thread has put a damaged database aside and begun a new one.
void Store::State::replaced(const Opened& opened) {
  report_.quarantined();
  epoch_ = opened.epoch;
  boot_ = opened.boot;
  detached_ = opened.detached;
  std::vector<std::uint64_t> ids;
  for (const auto& row : opened.streams) ids.push_back(row.id);
  reader_->set_streams(std::move(ids));
  for (std::size_t i = 0; i < paused_.size(); ++i) {  // the new database does not know
    if (paused_[i]) note_paused(static_cast<ReaderId>(i));
  }
  if (restore_->is_running()) {
    restore_->note_again();
  } else if (const auto set = unsalvaged_set(options_.directory); set && !restore_waits_) {
    begin_restore(*set, {});
  }
  if (events_.on_replaced) events_.on_replaced();
}

void Store::State::note_paused(ReaderId reader) {
  const auto& options = options_.readers[reader];
  open_->reader_changes.push_back(
      {paused_[reader] ? ReaderChange::Kind::kPause : ReaderChange::Kind::kResume, options.stream,
       options.name});
  touch(kStateIntervalMs);
}

// What is known by its id keeps it: what is new is appended, what has gone stays.
void Store::State::reconfigure(StoreOptions next, Task done) {
  auto merged = std::make_shared<StoreOptions>(options_);
  merged->pending_bytes = next.pending_bytes;
  merged->flash_saver = next.flash_saver;
  for (auto& stream : next.streams) {
    const auto at = std::find_if(merged->streams.begin(), merged->streams.end(),
                                 [&stream](const auto& s) { return s.name == stream.name; });
    if (at == merged->streams.end()) {
      merged->streams.push_back(std::move(stream));
    } else {
      *at = std::move(stream);
    }
  }
  for (auto& reader : merged->readers) reader.detached = true;
  for (auto& reader : next.readers) {
    const auto at = std::find_if(
        merged->readers.begin(), merged->readers.end(),
        [&reader](const auto& r) { return r.stream == reader.stream && r.name == reader.name; });
    if (at == merged->readers.end()) {
      merged->readers.push_back(std::move(reader));
    } else {
      at->detached = false;
      at->discarded = false;
    }
  }
  open_->options = std::move(merged);
  open_->tasks.push_back(std::move(done));
  touch(0);
}

// The store thread works with these options: the loop follows.
void Store::State::adopt(const StoreOptions& options, const Opened& opened) {
  options_ = options;
  detached_ = opened.detached;
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 0; i < opened.streams.size(); ++i) {
    ids.push_back(opened.streams[i].id);
    if (i < next_.size()) continue;
    next_.push_back(opened.streams[i].next);
  }
  committed_.resize(next_.size());
  committing_stream_bytes_.resize(next_.size());
  open_->segments.resize(next_.size());
  auto& positions = open_->positions;
  for (std::size_t i = positions.size(); i < opened.positions.size(); ++i) {
    positions.push_back(opened.positions[i]);
  }
  for (std::size_t i = paused_.size(); i < opened.paused.size(); ++i) {
    paused_.push_back(opened.paused[i]);
  }
  report_.add_streams_and_readers(options_);
  reader_->set_streams(std::move(ids));
  log::info(kLog, "{} streams and {} readers after a change of the configuration",
            options_.streams.size(), options_.readers.size());
}

std::unique_ptr<Group> Store::State::new_group() const {
  auto group = std::make_unique<Group>();
  group->segments.resize(options_.streams.size());
  if (open_) group->positions = open_->positions;
  return group;
}

Admission Store::State::admit(std::span<const StreamId> streams, std::size_t record_bytes) {
  const bool failing =
      health_ == Health::kFailing && clock_.mono_ms() - failing_since_ms_ > kToleratedMs;
  if (failing && !may_be_lost(streams)) return Admission::kFull;
  if (open_->size() + committing_bytes_ + record_bytes > options_.pending_bytes) {
    if (health_ != Health::kOk && may_be_lost(streams)) return Admission::kDiscard;
    room_wanted_ = true;
    return health_ == Health::kOk ? Admission::kBusy : Admission::kFull;
  }
  bool discard = false;
  for (const auto stream : streams) {
    const auto& options = options_.streams[stream];
    if (options.when_full == WhenFull::kDropOldest) continue;
    if (!is_full(stream, record_bytes)) continue;
    if (options.when_full == WhenFull::kReject) return Admission::kFull;
    discard = true;
  }
  return discard ? Admission::kDiscard : Admission::kYes;
}

bool Store::State::may_be_lost(std::span<const StreamId> streams) const {
  return std::all_of(streams.begin(), streams.end(),
                     [this](StreamId stream) { return options_.streams[stream].may_be_lost; });
}

// By its own limit, or because the store has no room that it may have.
bool Store::State::is_full(StreamId stream, std::size_t record_bytes) {
  const auto& options = options_.streams[stream];
  std::uint64_t bytes = committed_[stream].bytes + committing_stream_bytes_[stream];
  for (const auto& draft : open_->segments[stream]) bytes += draft.records.size();
  if (bytes + record_bytes > options.max_size) return true;
  std::uint64_t room = space_.room_bytes;
  for (std::size_t i = 0; i < options_.streams.size(); ++i) {
    const auto& other = options_.streams[i];
    const bool gives_way =
        other.when_full == WhenFull::kDropOldest && other.priority >= options.priority;
    if (gives_way) room += committed_[i].bytes;
  }
  const bool full = open_->size() + committing_bytes_ + record_bytes + kPageEnds > room;
  report_.full(full, options.name);
  if (full) {  // looks again from time to time: others may have freed space
    open_->maintenance = true;
    touch(kQuietIntervalMs);
  }
  return full;
}

Seq Store::State::append(StreamId stream, Record record, bool is_copy) {
  record.boot = is_copy ? 0 : boot_;
  auto& segments = open_->segments[stream];
  if (segments.empty() || segments.back().closed ||
      segments.back().records.size() >= kSegmentBytes) {
    SegmentDraft draft;
    draft.first = next_[stream];
    draft.first_wall_ms = record.received.wall_ms;
    segments.push_back(std::move(draft));
  }
  auto& draft = segments.back();
  const std::size_t before = draft.records.size();
  append_record(draft.records, record);
  open_->bytes += draft.records.size() - before;
  ++draft.count;
  draft.last_wall_ms = record.received.wall_ms;
  draft.last_mono_ms = is_copy ? clock_.mono_ms() : record.received.mono_ms;
  report_.appended(stream);
  touch(open_->size() >= kSegmentBytes ? 0
                                       : interval_of(options_.streams[stream].commit_interval_ms));
  return next_[stream]++;
}

// On a disk whose commits take long, the spacing grows so that they do not follow each other
// without a pause.
std::int64_t Store::State::interval_of(std::int64_t configured_ms) const {
  const std::int64_t base =
      options_.flash_saver ? std::max(configured_ms, kFlashSaverMs) : configured_ms;
  return std::max(base, std::min(base * stretch_, kMaxIntervalMs));
}

// The open group is due `interval_ms` after the last commit began, or now if that has passed.
void Store::State::touch(std::int64_t interval_ms) {
  const std::int64_t due = std::max(last_start_ms_ + interval_ms, retry_ms_);
  if (due >= due_ms_) return;
  due_ms_ = due;
  if (!committing_) arm();
}

void Store::State::arm() {
  timers_.cancel(due_timer_);
  const std::int64_t due_us = std::max(due_ms_, clock_.mono_ms()) * 1000;
  due_timer_ = timers_.after_us(std::max(due_us, gather_.until_us()) - clock_.mono_us(),
                                [this] { hand_over(); });
}

void Store::State::await(Token token) {
  open_->tokens.push_back(token);
  if (gather_.is_complete(open_->tokens.size()) && !committing_ && due_ms_ != kNever) arm();
}

void Store::State::hand_over() {
  due_timer_ = 0;
  if (committing_) return;
  gather_.end();
  auto group = std::exchange(open_, new_group());
  group->now = clock_.now();
  committing_ = true;
  committing_bytes_ = group->size();
  for (std::size_t i = 0; i < group->segments.size(); ++i) {
    committing_stream_bytes_[i] = 0;
    for (const auto& draft : group->segments[i]) {
      committing_stream_bytes_[i] += draft.records.size();
    }
  }
  due_ms_ = kNever;
  last_start_ms_ = clock_.mono_ms();
  thread_->submit(std::move(group));
}

void Store::State::committed(Committed result) {
  if (result.group->options != nullptr) adopt(*result.group->options, *result.opened);
  if (!result.quarantined.empty()) replaced(*result.opened);
  retry_delay_ms_ = 0;
  retry_ms_ = -kNever / 2;
  if (health_ == Health::kFailing) set_health(Health::kOk, {});
  committing_ = false;
  committing_bytes_ = 0;
  std::fill(committing_stream_bytes_.begin(), committing_stream_bytes_.end(), 0);
  std::int64_t shortest = kNever;
  for (const auto& options : options_.streams) {
    if (options.commit_interval_ms > 0) shortest = std::min(shortest, options.commit_interval_ms);
  }
  const bool slow = result.duration_us / 1000 * 4 > interval_of(shortest == kNever ? 0 : shortest);
  stretch_ = slow ? std::min(stretch_ * 2, kMaxStretch) : std::max<std::int64_t>(stretch_ / 2, 1);

  std::vector<StreamId> advanced;
  for (std::size_t i = 0; i < result.streams.size(); ++i) {
    const auto& stream = result.streams[i];
    if (stream.next != committed_[i].next) advanced.push_back(static_cast<StreamId>(i));
  }
  report_.committed(result, committed_, options_, clock_.mono_ms());
  space_ = result.space;
  committed_ = std::move(result.streams);
  if (result.more_to_delete) {
    open_->maintenance = true;
    touch(0);
  }
  report_.pending(open_->size());
  if (!result.group->tokens.empty() && events_.on_committed) {
    events_.on_committed(result.group->tokens);
  }
  gather_.begin(result.group->tokens.size(), open_->tokens.size(), result.duration_us,
                clock_.mono_us());
  if (!open_->is_empty() && due_ms_ != kNever) arm();
  for (const auto& task : result.group->tasks) task();
  if (events_.on_advanced) {
    for (const auto stream : advanced) events_.on_advanced(stream);
  }
  if (room_wanted_ && open_->size() < options_.pending_bytes / 2) {
    room_wanted_ = false;
    if (events_.on_room) events_.on_room();
  }
}

// The group is the open one again, and what has come since is in it: among that may be what frees
// the room that was missing.
void Store::State::failed(const Error& error) {
  auto group = thread_->take_back();
  TG_ASSERT(group != nullptr);
  group->absorb(std::move(*open_));
  open_ = std::move(group);
  committing_ = false;
  committing_bytes_ = 0;
  std::fill(committing_stream_bytes_.begin(), committing_stream_bytes_.end(), 0);
  report_.failed(error.code);
  if (retry_delay_ms_ == 0) failing_since_ms_ = clock_.mono_ms();
  retry_delay_ms_ = std::clamp(retry_delay_ms_ * 2, kFirstRetryMs, kLastRetryMs);
  retry_ms_ = clock_.mono_ms() + retry_delay_ms_;
  due_ms_ = kNever;
  touch(0);
  set_health(Health::kFailing, error.message);
}

void Store::State::set_health(Health health, std::string_view reason) {
  if (health == Health::kOk && health_ == Health::kOk) return;
  if (health == health_ && reason == failing_reason_) return;
  if (health == Health::kOk) {
    log::info(kLog, "commits work again");
  } else if (health_ == Health::kOk) {  // once per episode
    log::error(kLog, "{}; nothing more is acknowledged until it is mended: {}",
               health == Health::kFailing ? "a commit failed" : "the disk does not answer", reason);
  }
  health_ = health;
  failing_reason_ = reason;
  if (events_.on_health) events_.on_health(health, reason);
}

Result<void> Store::State::begin_backup() {
  if (backup_.state == BackupStatus::State::kCopying) {
    return fail(ErrorCode::kBusy, "a backup is under way");
  }
  if (space_.used_bytes > space_.room_bytes) {
    return fail(
        ErrorCode::kFull,
        fmt::format("there is no room for a copy of {} MiB in {}, only {} MiB",
                    space_.used_bytes >> 20, options_.directory.string(), space_.room_bytes >> 20));
  }
  timers_.cancel(std::exchange(backup_timer_, 0));
  backup_ = {};
  backup_.state = BackupStatus::State::kCopying;
  backup_order_ = thread_->set_backup(true);
  return {};
}

void Store::State::end_backup() {
  timers_.cancel(std::exchange(backup_timer_, 0));
  backup_ = {};
  backup_order_ = thread_->set_backup(false);
}

void Store::State::told_of_backup(std::uint64_t order, BackupStatus status) {
  if (order != backup_order_) return;  // ended meanwhile
  backup_ = std::move(status);
  if (backup_.state == BackupStatus::State::kFailed) {
    log::error(kLog, "the backup failed: {}", backup_.error);
  } else if (backup_.state == BackupStatus::State::kReady) {
    backup_timer_ = timers_.after(kBackupKeptMs, [this] { end_backup(); });
  }
}

// Retention by age works without new records too.
void Store::State::maintain() {
  const bool aged = std::any_of(options_.streams.begin(), options_.streams.end(),
                                [](const auto& stream) { return stream.max_age_ms > 0; });
  if (aged && maintenance_timer_ != 0) {
    open_->maintenance = true;
    touch(kQuietIntervalMs);
  }
  maintenance_timer_ = timers_.after(kMaintenanceMs, [this] { maintain(); });
}

}  // namespace tg::store
