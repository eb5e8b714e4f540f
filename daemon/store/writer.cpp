#include "daemon/store/writer.h"

#include <algorithm>
#include <utility>

namespace tg::store {
namespace {

constexpr int kCheckpointPages = 1024;  // 4 MiB of WAL

}  // namespace

Writer::Writer(std::filesystem::path file, StoreOptions options, std::string boot_id)
    : file_(std::move(file)), options_(std::move(options)), boot_id_(std::move(boot_id)) {}

Result<Opened> Writer::open() {
  update_reader_ = {};
  put_state_ = {};
  delete_state_ = {};
  broker_tables_ = {};
  segments_.clear();
  database_.reset();
  auto database = open_writer(file_);
  if (!database) return tl::unexpected(database.error());
  database_.emplace(std::move(*database));
  auto opened = prepare_schema(*database_, options_, boot_id_);
  if (!opened) return opened;
  stream_ids_.clear();
  for (const auto& row : opened->streams) {
    stream_ids_.push_back(row.id);
    auto segments = Segments::load(*database_, row, opened->boot);
    if (!segments) return tl::unexpected(segments.error());
    segments_.push_back(std::move(*segments));
  }
  detached_ = opened->detached;
  saved_positions_ = opened->positions;
  auto update =
      database_->prepare("UPDATE reader SET next_seq = ? WHERE stream_id = ? AND name = ?");
  auto put = database_->prepare("INSERT OR REPLACE INTO state VALUES(?, ?, ?)");
  auto remove = database_->prepare("DELETE FROM state WHERE owner = ? AND key = ?");
  if (!update || !put || !remove) return tl::unexpected(database_->error("prepare"));
  update_reader_ = std::move(*update);
  put_state_ = std::move(*put);
  delete_state_ = std::move(*remove);
  auto broker_tables = BrokerTables::prepare(*database_);
  if (!broker_tables) return tl::unexpected(broker_tables.error());
  broker_tables_ = std::move(*broker_tables);
  return opened;
}

Result<Committed> Writer::commit(const Group& group) {
  std::shared_ptr<const Opened> reopened;
  if (group.options != nullptr) {
    options_ = *group.options;
    auto opened = open();
    if (!opened) return tl::unexpected(opened.error());
    reopened = std::make_shared<const Opened>(std::move(*opened));
  } else if (!database_ || segments_.size() != options_.streams.size()) {
    if (auto opened = open(); !opened) return tl::unexpected(opened.error());
  }
  Committed result;
  auto done = database_->exec("BEGIN IMMEDIATE");
  if (done) done = apply(group, result);
  if (done) done = database_->exec("COMMIT");
  if (!done) {
    Error error = done.error();
    (void)database_->exec("ROLLBACK");  // fails when SQLite has rolled back by itself
    segments_.clear();                  // opened anew by the next commit
    return tl::unexpected(std::move(error));
  }
  // The group knows no readers that came with its options.
  std::copy(group.positions.begin(), group.positions.end(), saved_positions_.begin());
  Committed state = summary();
  for (std::size_t i = 0; i < state.streams.size(); ++i) {
    state.streams[i].evicted = result.streams[i].evicted;
  }
  state.more_to_delete = result.more_to_delete;
  state.opened = std::move(reopened);
  return state;
}

Result<void> Writer::apply(const Group& group, Committed& result) {
  result.streams.resize(segments_.size());
  for (std::size_t stream = 0; stream < segments_.size(); ++stream) {
    if (auto done = apply_stream(stream, group, result); !done) return done;
  }
  if (auto done = apply_readers(group); !done) return done;
  if (auto done = apply_state(group); !done) return done;
  return broker_tables_.apply(group.broker);
}

Result<void> Writer::apply_stream(std::size_t stream, const Group& group, Committed& result) {
  auto& segments = segments_[stream];
  const auto& options = options_.streams[stream];
  if (const auto passed = slowest_reader(stream, group)) {
    const auto more = segments.drop_passed(*passed);
    if (!more) return tl::unexpected(more.error());
    result.more_to_delete = result.more_to_delete || *more;
  }
  static const std::vector<SegmentDraft> kNone;
  const auto& drafts = stream < group.segments.size() ? group.segments[stream] : kNone;
  std::uint64_t incoming = 0;
  for (const auto& draft : drafts) incoming += draft.records.size();
  auto& evicted = result.streams[stream].evicted;
  if (options.when_full == WhenFull::kDropOldest && incoming > 0 &&
      segments.bytes() + incoming > options.max_size) {
    const auto count =
        segments.evict_bytes(segments.bytes() + incoming - options.max_size, "max_size");
    if (!count) return tl::unexpected(count.error());
    evicted += *count;
  }
  if (options.max_age_ms > 0) {
    const auto count = segments.evict_age(options.max_age_ms, group.now);
    if (!count) return tl::unexpected(count.error());
    evicted += *count;
  }
  for (const auto& draft : drafts) {
    if (auto done = segments.append(draft); !done) return done;
    if (auto done = segments.merge_tail(); !done) return done;
  }
  return segments.save();
}

std::optional<Seq> Writer::slowest_reader(std::size_t stream, const Group& group) const {
  std::optional<Seq> slowest;
  const auto consider = [&slowest](Seq position) {
    slowest = slowest ? std::min(*slowest, position) : position;
  };
  const std::string& name = options_.streams[stream].name;
  for (std::size_t i = 0; i < options_.readers.size(); ++i) {
    if (options_.readers[i].stream != name) continue;
    consider(i < group.positions.size() ? group.positions[i] : saved_positions_[i]);
  }
  for (const auto& reader : detached_) {
    if (reader.stream == name) consider(reader.position);
  }
  return slowest;
}

Result<void> Writer::apply_readers(const Group& group) {
  if (!group.positions_changed) return {};
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
    const auto done =
        put.value.empty()
            ? delete_state_.bind(1, put.owner).bind(2, put.key).run()
            : put_state_.bind(1, put.owner).bind(2, put.key).bind_blob(3, put.value).run();
    if (!done) return done;
  }
  return {};
}

Result<void> Writer::checkpoint(bool idle) {
  if (!database_) return {};
  const int pages = database_->wal_pages();
  if (pages >= kCheckpointPages || (idle && pages > 0)) return database_->checkpoint();
  return {};
}

Committed Writer::summary() const {
  Committed state;
  for (const auto& segments : segments_) {
    state.streams.push_back({segments.first(), segments.next(), segments.bytes(),
                             segments.oldest_wall_ms(), 0, segments.evicted_reason()});
  }
  return state;
}

}  // namespace tg::store
