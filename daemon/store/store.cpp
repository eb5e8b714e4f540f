#include "daemon/store/store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/store/broker_tables.h"
#include "daemon/store/commit_thread.h"
#include "daemon/store/gather.h"
#include "daemon/store/group.h"
#include "daemon/store/reader.h"
#include "daemon/store/schema.h"
#include "daemon/store/writer.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kFlashSaverMs = 1000;
constexpr std::int64_t kQuietIntervalMs = 1000;  // commits that only move cursors
constexpr std::int64_t kStateIntervalMs = 20;    // groups with state or after_commit tasks
constexpr std::int64_t kBrokerIntervalMs = 20;   // groups with changes that the broker waits for
constexpr std::int64_t kMaxStretch = 8;          // of commit_interval on a slow disk
constexpr std::int64_t kMaxIntervalMs = 1000;    // where stretching ends
constexpr std::int64_t kMaintenanceMs = 60'000;
constexpr std::int64_t kStalledUs = 10'000'000;
constexpr std::int64_t kCloseMs = 10'000;
constexpr std::int64_t kNever = INT64_MAX;

}  // namespace

class Store::State {
 public:
  State(StoreOptions options, const Clock& clock, Timers& timers, Post post, Metrics& metrics)
      : options_(std::move(options)),
        clock_(clock),
        timers_(timers),
        post_(std::move(post)),
        metrics_(metrics),
        alive_(std::make_shared<bool>(true)),
        commits_(metrics.counter("tidegate_store_commits_total", "Transactions committed")),
        commit_us_(
            metrics.counter("tidegate_store_commit_microseconds_total", "Time spent in commits")),
        corrupt_(metrics.counter("tidegate_store_corrupt_records_total",
                                 "Records skipped because their segment is damaged")),
        pending_gauge_(
            metrics.gauge("tidegate_store_pending_bytes", "Bytes accepted and not yet committed")) {
    for (const auto& stream : options_.streams) count_stream(stream.name);
  }

  ~State() {
    *alive_ = false;
    timers_.cancel(due_timer_);
    timers_.cancel(maintenance_timer_);
    if (!thread_) return;
    if (!committing_ && !open_->is_empty()) hand_over();
    const auto lost = thread_->close(kCloseMs);
    if (lost) {
      log::error(kLog,
                 "{} acknowledgements are still owed: the last commit did not succeed; "
                 "their senders will send again",
                 lost->tokens.size());
    } else if (!open_->is_empty()) {  // what came while the last group was being committed
      open_->now = clock_.now();
      if (const auto done = writer_->commit(*open_); !done) {
        log::error(kLog, "the last commit failed: {}", done.error().message);
      }
    }
  }

  Result<void> open();
  void reconfigure(StoreOptions next, Task done);
  void adopt(const StoreOptions& options, const Opened& opened);
  void count_stream(const std::string& name);

  Admission admit(std::span<const StreamId> streams, std::size_t record_bytes);
  Seq append(StreamId stream, Record record);
  void await(Token token);
  void touch(std::int64_t interval_ms);
  void arm();
  void hand_over();
  void committed(Committed result);
  void set_health(Health health, std::string_view reason);
  [[nodiscard]] std::unique_ptr<Group> new_group() const;
  [[nodiscard]] std::int64_t interval_of(std::int64_t configured_ms) const;
  void maintain();
  [[nodiscard]] std::filesystem::path file() const { return options_.directory / "streams.db"; }

  // Drops the call when the store has gone.
  [[nodiscard]] Post guarded_post() const {
    return [post = post_, alive = alive_](Task task) {
      post([alive, task = std::move(task)] {
        if (*alive) task();
      });
    };
  }

  // Constant after open(), but for adopt().
  StoreOptions options_;
  const Clock& clock_;
  Timers& timers_;
  const Post post_;
  Metrics& metrics_;
  std::shared_ptr<bool> alive_;  // read and written on the loop only
  std::string epoch_;
  std::uint32_t boot_ = 0;
  std::vector<ReaderStatus> detached_;
  Events events_;

  // Loop only.
  std::unique_ptr<Group> open_;
  bool committing_ = false;
  std::size_t committing_bytes_ = 0;
  std::vector<std::uint64_t> committing_stream_bytes_;
  std::vector<Committed::Stream> committed_;  // by StreamId: what the database holds
  std::vector<Seq> next_;                     // by StreamId: the next to be appended
  std::vector<std::uint64_t> evicted_count_;
  std::vector<bool> evicting_;                // logged once per episode
  std::int64_t last_start_ms_ = -kNever / 2;  // of a commit
  std::int64_t due_ms_ = kNever;
  TimerId due_timer_ = 0;
  Gather gather_;
  TimerId maintenance_timer_ = 0;
  std::int64_t stretch_ = 1;
  bool room_wanted_ = false;
  Health health_ = Health::kOk;
  std::string failing_reason_;

  Counter commits_;
  Counter commit_us_;
  Counter corrupt_;
  Gauge pending_gauge_;
  std::vector<Counter> records_;
  std::map<std::pair<std::string, std::string>, Counter> evicted_;

  std::unique_ptr<Writer> writer_;  // the store thread's once thread_ runs
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<CommitThread> thread_;
};

Result<void> Store::State::open() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("cannot make the data directory {}: {}",
                                            options_.directory.string(), error.message()));
  }
  const auto file = this->file();
  writer_ = std::make_unique<Writer>(file, options_, boot_id());
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
  committed_ = writer_->summary().streams;
  evicted_count_.resize(committed_.size());
  evicting_.resize(committed_.size());
  committing_stream_bytes_.resize(committed_.size());
  std::vector<std::uint64_t> ids;
  for (const auto& row : opened->streams) {
    next_.push_back(row.next);
    ids.push_back(row.id);
  }
  open_ = new_group();
  open_->positions = opened->positions;
  reader_ = std::make_unique<Reader>(file, std::move(ids), guarded_post(), corrupt_);
  thread_ = std::make_unique<CommitThread>(
      *writer_, clock_, guarded_post(),
      CommitThread::Events{[this](Committed result) { committed(std::move(result)); },
                           [this](const std::string& reason) {
                             set_health(reason.empty() ? Health::kOk : Health::kFailing, reason);
                           }});
  maintain();
  return {};
}

void Store::State::count_stream(const std::string& name) {
  records_.push_back(
      metrics_.counter("tidegate_store_records_total", "Records appended", {{"stream", name}}));
  for (const char* reason : {"max_size", "max_age"}) {
    evicted_[{name, reason}] =
        metrics_.counter("tidegate_store_evicted_total", "Records evicted by a limit",
                         {{"stream", name}, {"reason", reason}});
  }
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
    count_stream(options_.streams[i].name);
  }
  committed_.resize(next_.size());
  committing_stream_bytes_.resize(next_.size());
  evicted_count_.resize(next_.size());
  evicting_.resize(next_.size());
  open_->segments.resize(next_.size());
  auto& positions = open_->positions;
  for (std::size_t i = positions.size(); i < opened.positions.size(); ++i) {
    positions.push_back(opened.positions[i]);
  }
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
  if (open_->size() + committing_bytes_ + record_bytes > options_.pending_bytes) {
    room_wanted_ = true;
    return health_ == Health::kOk ? Admission::kBusy : Admission::kFull;
  }
  bool discard = false;
  for (const auto stream : streams) {
    const auto& options = options_.streams[stream];
    if (options.when_full == WhenFull::kDropOldest) continue;
    std::uint64_t bytes = committed_[stream].bytes + committing_stream_bytes_[stream];
    for (const auto& draft : open_->segments[stream]) bytes += draft.records.size();
    if (bytes + record_bytes <= options.max_size) continue;
    if (options.when_full == WhenFull::kReject) return Admission::kFull;
    discard = true;
  }
  return discard ? Admission::kDiscard : Admission::kYes;
}

Seq Store::State::append(StreamId stream, Record record) {
  record.boot = boot_;
  auto& segments = open_->segments[stream];
  if (segments.empty() || segments.back().records.size() >= kSegmentBytes) {
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
  draft.last_mono_ms = record.received.mono_ms;
  records_[stream].add();
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
  const std::int64_t due = last_start_ms_ + interval_ms;
  if (due >= due_ms_) return;
  due_ms_ = due;
  if (!committing_) arm();
}

void Store::State::arm() {
  timers_.cancel(due_timer_);
  due_timer_ = timers_.after(std::max(due_ms_, gather_.until_ms()) - clock_.mono_ms(),
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
  if (result.opened != nullptr) adopt(*result.group->options, *result.opened);
  commits_.add();
  commit_us_.add(static_cast<std::uint64_t>(std::max<std::int64_t>(result.duration_us, 0)));
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
    if (stream.evicted > 0) {
      evicted_count_[i] += stream.evicted;
      evicted_[{options_.streams[i].name, stream.evicted_reason}].add(stream.evicted);
      if (!evicting_[i]) {
        log::warning(kLog, "stream {} has reached {}: its oldest records are evicted",
                     options_.streams[i].name, stream.evicted_reason);
      }
    }
    if (stream.evicted > 0 || stream.next != committed_[i].next) evicting_[i] = stream.evicted > 0;
  }
  committed_ = std::move(result.streams);
  if (result.more_to_delete) {
    open_->maintenance = true;
    touch(0);
  }
  gather_.begin(result.group->tokens.size(), open_->tokens.size(), result.duration_us,
                clock_.mono_ms());
  if (!open_->is_empty() && due_ms_ != kNever) arm();
  pending_gauge_.set(static_cast<double>(open_->size()));
  if (!result.group->tokens.empty() && events_.on_committed) {
    events_.on_committed(result.group->tokens);
  }
  for (const auto& task : result.group->tasks) task();
  if (events_.on_advanced) {
    for (const auto stream : advanced) events_.on_advanced(stream);
  }
  if (room_wanted_ && open_->size() < options_.pending_bytes / 2) {
    room_wanted_ = false;
    if (events_.on_room) events_.on_room();
  }
}

void Store::State::set_health(Health health, std::string_view reason) {
  if (health == Health::kOk && health_ == Health::kOk) return;
  if (health == health_ && reason == failing_reason_) return;
  if (health == Health::kOk) {
    log::info(kLog, "commits work again");
  } else {
    log::error(kLog, "{}; nothing more is acknowledged until it is mended: {}",
               health == Health::kFailing ? "a commit failed" : "the disk does not answer", reason);
  }
  health_ = health;
  failing_reason_ = reason;
  if (events_.on_health) events_.on_health(health, reason);
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

Store::Store(std::unique_ptr<State> state) : state_(std::move(state)) {}
Store::~Store() = default;

Result<std::unique_ptr<Store>> Store::open(StoreOptions options, const Clock& clock, Timers& timers,
                                           Post post, Metrics& metrics) {
  auto state = std::make_unique<State>(std::move(options), clock, timers, std::move(post), metrics);
  if (auto opened = state->open(); !opened) return tl::unexpected(opened.error());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

void Store::set_events(Events events) { state_->events_ = std::move(events); }

void Store::reconfigure(StoreOptions next, Task done) {
  state_->reconfigure(std::move(next), std::move(done));
}

Admission Store::admit(std::span<const StreamId> streams, std::size_t record_bytes) {
  return state_->admit(streams, record_bytes);
}

Seq Store::append(StreamId stream, Record record) { return state_->append(stream, record); }

void Store::await(Token token) { state_->await(token); }

void Store::after_commit(Task task) {
  state_->open_->tasks.push_back(std::move(task));
  state_->touch(kStateIntervalMs);
}

void Store::put_state(std::string_view owner, std::string_view key, std::string_view value) {
  state_->open_->state.push_back({std::string(owner), std::string(key), std::string(value)});
  state_->touch(kStateIntervalMs);
}

BrokerChanges& Store::broker_changes() {
  const bool is_large = state_->open_->size() >= kSegmentBytes;
  state_->touch(is_large ? 0 : kQuietIntervalMs);
  return state_->open_->broker;
}

void Store::await_broker(Token token) {
  state_->touch(state_->interval_of(kBrokerIntervalMs));
  state_->await(token);
}

Result<void> Store::load_broker(BrokerLoader& loader) {
  auto database = Database::open(state_->file(), Database::Mode::kReadOnly);
  if (!database) return tl::unexpected(database.error());
  return load_broker_state(*database, loader);
}

void Store::read(StreamId stream, Seq from, std::size_t max_bytes,
                 std::function<void(Result<Chunk>)> done) {
  auto name_gap = [this, stream, done = std::move(done)](Result<Chunk> chunk) {
    if (chunk && chunk->first > chunk->asked && chunk->gap_reason.empty()) {
      const auto& reason = state_->committed_[stream].evicted_reason;
      chunk->gap_reason = reason.empty() ? "evicted" : reason;
    }
    done(std::move(chunk));
  };
  state_->reader_->read(stream, from, max_bytes, std::move(name_gap));
}

void Store::get_state(
    std::string_view owner,
    std::function<void(Result<std::vector<std::pair<std::string, std::string>>>)> done) {
  state_->reader_->get_state(owner, std::move(done));
}

Seq Store::position(ReaderId reader) const { return state_->open_->positions[reader]; }

void Store::advance(ReaderId reader, Seq next) {
  auto& position = state_->open_->positions[reader];
  if (next <= position) return;
  position = next;
  state_->open_->positions_changed = true;
  state_->touch(kQuietIntervalMs);
}

StreamId Store::find_stream(std::string_view name) const {
  const auto& streams = state_->options_.streams;
  const auto at = std::find_if(streams.begin(), streams.end(),
                               [name](const auto& stream) { return stream.name == name; });
  TG_ASSERT(at != streams.end());
  return static_cast<StreamId>(at - streams.begin());
}

std::optional<ReaderId> Store::find_reader(std::string_view stream, std::string_view name) const {
  const auto& readers = state_->options_.readers;
  const auto at = std::find_if(readers.begin(), readers.end(), [stream, name](const auto& reader) {
    return reader.stream == stream && reader.name == name;
  });
  if (at == readers.end()) return std::nullopt;
  return static_cast<ReaderId>(at - readers.begin());
}

StreamStatus Store::status(StreamId stream) const {
  const auto& committed = state_->committed_[stream];
  return {state_->options_.streams[stream].name,
          committed.first,
          committed.next,
          committed.bytes,
          committed.oldest_wall_ms,
          state_->evicted_count_[stream]};
}

std::size_t Store::stream_count() const { return state_->options_.streams.size(); }

std::vector<ReaderStatus> Store::readers() const {
  std::vector<ReaderStatus> all;
  const auto& named = state_->options_.readers;
  for (std::size_t i = 0; i < named.size(); ++i) {
    all.push_back({named[i].stream, named[i].name, state_->open_->positions[i], named[i].detached});
  }
  all.insert(all.end(), state_->detached_.begin(), state_->detached_.end());
  return all;
}

Health Store::health() const { return state_->health_; }
const std::string& Store::health_reason() const { return state_->failing_reason_; }
const std::string& Store::epoch() const { return state_->epoch_; }
std::uint32_t Store::boot() const { return state_->boot_; }

std::uint64_t Store::pending_bytes() const {
  return state_->open_->size() + state_->committing_bytes_;
}

void Store::check_progress() {
  const std::int64_t since = state_->thread_->busy_since_us();
  const bool stalled = since != 0 && state_->clock_.mono_us() - since > kStalledUs;
  if (stalled && state_->health_ == Health::kOk) {
    state_->set_health(Health::kStalled, "one call into the disk has taken over 10 s");
  } else if (!stalled && state_->health_ == Health::kStalled) {
    state_->set_health(Health::kOk, {});
  }
}

}  // namespace tg::store
