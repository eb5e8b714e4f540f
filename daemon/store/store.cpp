#include "daemon/store/store.h"

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"
#include "daemon/store/broker_tables.h"
#include "daemon/store/store_state.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kStalledUs = 10'000'000;

}  // namespace

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

Seq Store::append_copy(StreamId stream, Record record) {
  return state_->append(stream, record, true);
}

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
  auto done = load_broker_state(*database, state_->keys(), loader);
  if (done || done.error().code != ErrorCode::kCorrupt) return done;
  log::error(kLog, "sessions and retained messages: {}; what could be read of them is used",
             done.error().message);
  state_->replace_database();
  return {};
}

void Store::read(StreamId stream, Seq from, std::size_t max_bytes,
                 std::function<void(Result<Chunk>)> done) {
  auto name_gap = [this, stream, done = std::move(done)](Result<Chunk> chunk) {
    // Nothing is left from there on: the gap reaches to the first number that may be stored yet.
    if (chunk && chunk->records.empty()) {
      chunk->first = std::max(chunk->first, state_->committed_[stream].first);
    }
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

bool Store::discard_reader(std::string_view stream, std::string_view name) {
  const auto is_it = [stream, name](const auto& reader) {
    return reader.stream == stream && reader.name == name && reader.detached;
  };
  auto& named = state_->options_.readers;
  const auto at = std::find_if(named.begin(), named.end(), is_it);
  const bool known = at != named.end() && !at->discarded;
  if (known) {
    at->discarded = true;
    state_->paused_[static_cast<std::size_t>(at - named.begin())] = false;
  }
  if (std::erase_if(state_->detached_, is_it) == 0 && !known) return false;
  state_->open_->reader_changes.push_back(
      {ReaderChange::Kind::kDiscard, std::string(stream), std::string(name)});
  state_->open_->maintenance = true;
  state_->touch(kStateIntervalMs);
  return true;
}

void Store::set_paused(ReaderId reader, bool paused) {
  if (state_->paused_[reader] == paused) return;
  state_->paused_[reader] = paused;
  state_->note_paused(reader);
  if (!paused && state_->events_.on_advanced) {
    state_->events_.on_advanced(find_stream(state_->options_.readers[reader].stream));
  }
}

bool Store::is_paused(ReaderId reader) const { return state_->paused_[reader]; }

Seq Store::rewind(ReaderId reader, Seq to) {
  const auto stream = find_stream(state_->options_.readers[reader].stream);
  auto& position = state_->open_->positions[reader];
  position = std::min(position, std::max(to, state_->committed_[stream].first));
  state_->open_->positions_changed = true;
  state_->touch(kStateIntervalMs);
  if (state_->events_.on_rewound) state_->events_.on_rewound(reader);
  return position;
}

std::filesystem::path backup_file(const std::filesystem::path& directory) {
  return directory / "backup.db";
}

Result<void> Store::begin_backup() { return state_->begin_backup(); }
void Store::end_backup() { state_->end_backup(); }
const BackupStatus& Store::backup() const { return state_->backup_; }

std::optional<StreamId> Store::stream_named(std::string_view name) const {
  return state_->stream_named(name);
}

StreamId Store::find_stream(std::string_view name) const {
  const auto stream = stream_named(name);
  TG_ASSERT(stream);
  return *stream;
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
          state_->report_.evicted(stream)};
}

std::size_t Store::stream_count() const { return state_->options_.streams.size(); }

std::vector<ReaderStatus> Store::readers() const {
  std::vector<ReaderStatus> all;
  const auto& named = state_->options_.readers;
  for (std::size_t i = 0; i < named.size(); ++i) {
    if (named[i].discarded) continue;
    all.push_back({named[i].stream, named[i].name, state_->open_->positions[i], named[i].detached,
                   state_->paused_[i], state_->report_.missed(static_cast<ReaderId>(i))});
  }
  all.insert(all.end(), state_->detached_.begin(), state_->detached_.end());
  return all;
}

Health Store::health() const { return state_->health_; }
bool Store::is_salvaging() const {
  return state_->restore_waits_ || state_->restore_->is_running();
}
const std::string& Store::health_reason() const { return state_->failing_reason_; }
const std::string& Store::epoch() const { return state_->epoch_; }
std::uint32_t Store::boot() const { return state_->boot_; }

const SpaceStatus& Store::space() const { return state_->space_; }

void Store::drop(StreamId stream) { state_->report_.dropped(stream); }

bool Store::may_be_lost(std::span<const StreamId> streams) const {
  return state_->may_be_lost(streams);
}

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
