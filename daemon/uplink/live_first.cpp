#include "daemon/uplink/live_first.h"

#include <algorithm>
#include <utility>

namespace tg::uplink {

class LiveFirst::Lane final : public Source {
 public:
  Lane(LiveFirst& owner, bool is_live, Seq position)
      : owner_(owner), is_live_(is_live), position_(position) {}

  [[nodiscard]] store::StreamId stream_id() const override { return owner_.source_.stream_id(); }
  [[nodiscard]] store::ReaderId reader_id() const override { return owner_.source_.reader_id(); }
  [[nodiscard]] bool is_paused() const override { return owner_.source_.is_paused(); }
  [[nodiscard]] const std::string& epoch() const override { return owner_.source_.epoch(); }
  [[nodiscard]] std::uint32_t boot() const override { return owner_.source_.boot(); }
  [[nodiscard]] Seq first() const override { return owner_.source_.first(); }
  [[nodiscard]] Seq next() const override {
    return is_live_ ? owner_.source_.next() : owner_.split_;
  }
  [[nodiscard]] Seq position() const override { return position_; }
  void advance(Seq next) override {
    position_ = next;
    owner_.store_position();
  }
  void read(Seq from, std::size_t max_bytes, Done done) override {
    const Seq end = is_live_ ? UINT64_MAX : owner_.split_;
    owner_.source_.read(from, max_bytes, [end, done = std::move(done)](Result<store::Chunk> chunk) {
      if (chunk) cut(*chunk, end);
      done(std::move(chunk));
    });
  }
  // The owner's business.
  void save_ranges(const std::string&) override {}
  void load_ranges(std::function<void(const std::string&)> done) override { done({}); }
  void move_to(Seq position) { position_ = position; }

 private:
  // What is at or above `end` belongs to the other lane.
  static void cut(store::Chunk& chunk, Seq end) {
    if (chunk.end() > end) {
      chunk.records.resize(end > chunk.first ? end - chunk.first : 0);
    }
    chunk.first = std::min(chunk.first, end);
  }

  LiveFirst& owner_;
  const bool is_live_;
  Seq position_;
};

class LiveFirst::Seat final : public Sender {
 public:
  Seat(LiveFirst& owner, Exporter& exporter, bool is_first)
      : owner_(owner), exporter_(exporter), is_first_(is_first) {}

  [[nodiscard]] bool is_ready() const override { return exporter_.is_ready(); }
  [[nodiscard]] cloud::OutgoingPublish take(std::uint64_t id) override {
    return exporter_.take(id);
  }
  void untake(std::uint64_t id) override { exporter_.untake(id); }
  void acked(std::uint64_t id) override { exporter_.acked(id); }
  void link_up(std::size_t batch_bytes) override {
    batch_bytes_ = batch_bytes;
    if (!owner_.is_loaded_) return;
    if (is_first_) owner_.split();
    exporter_.link_up(batch_bytes);
  }
  void link_grew(std::size_t batch_bytes) override {
    batch_bytes_ = batch_bytes;
    if (owner_.is_loaded_) exporter_.link_grew(batch_bytes);
  }
  void link_closed(const LinkEnd& end) override {
    batch_bytes_.reset();
    exporter_.link_closed(end);
  }
  [[nodiscard]] bool refused(std::uint64_t id, const std::string& reason) override {
    return exporter_.refused(id, reason);
  }
  void isolate(bool on) override { exporter_.isolate(on); }
  [[nodiscard]] bool is_suspect() const override { return exporter_.is_suspect(); }
  [[nodiscard]] bool is_backlog() const override { return is_first_; }
  [[nodiscard]] bool may_use_expensive() const override { return exporter_.may_use_expensive(); }

  // The link came up before the ranges were there.
  void catch_up() {
    if (batch_bytes_) link_up(*batch_bytes_);
  }

 private:
  LiveFirst& owner_;
  Exporter& exporter_;
  const bool is_first_;
  std::optional<std::size_t> batch_bytes_;  // set while the link is up
};

LiveFirst::LiveFirst(const ExportOptions& options, const std::string& gateway, bool with_properties,
                     Source& source, const Clock& clock, Timers& timers, Metrics& metrics,
                     const Letters& letters, const Task& on_ready)
    : source_(source), timers_(timers), on_ready_(on_ready), split_(source.position()) {
  backlog_lane_ = std::make_unique<Lane>(*this, false, split_);
  live_lane_ = std::make_unique<Lane>(*this, true, split_);
  const auto make = [&](Source& lane) {
    return std::make_unique<Exporter>(options, gateway, with_properties, lane, clock, timers,
                                      metrics, letters, on_ready);
  };
  backlog_ = make(*backlog_lane_);
  live_ = make(*live_lane_);
  backlog_seat_ = std::make_unique<Seat>(*this, *backlog_, true);
  live_seat_ = std::make_unique<Seat>(*this, *live_, false);
  source_.load_ranges([this, alive = std::weak_ptr(alive_)](const std::string& ranges) {
    if (!alive.expired()) on_loaded(ranges);
  });
}

LiveFirst::~LiveFirst() {
  if (save_timer_ != 0) timers_.cancel(save_timer_);
}

std::vector<Sender*> LiveFirst::senders() { return {backlog_seat_.get(), live_seat_.get()}; }

void LiveFirst::on_loaded(const std::string& ranges) {
  RangeSet done = is_rewound_ ? RangeSet() : RangeSet::decode(ranges);
  done.drop_below(backlog_lane_->position());
  for (const auto& [first, end] : done.ranges()) backlog_->pass(first, end);
  is_loaded_ = true;
  backlog_seat_->catch_up();
  live_seat_->catch_up();
  on_ready_();
}

// The backlog's lane learns of new records only by a split, but of the end of a pause too.
void LiveFirst::on_advanced() {
  live_->on_advanced();
  backlog_->on_advanced();
}

void LiveFirst::on_rewound() {
  is_rewound_ = true;
  split_ = source_.next();
  backlog_lane_->move_to(source_.position());
  live_lane_->move_to(split_);
  backlog_->begin_at(source_.position());
  live_->begin_at(split_);
  save();
  on_advanced();
}

// Nothing is in flight: the connection is new.
void LiveFirst::split() {
  const Seq before = split_;
  split_ = std::max(source_.next(), before);
  // What the live lane had sent since the split before.
  if (live_lane_->position() > before) backlog_->pass(before, live_lane_->position());
  for (const auto& [first, end] : live_->acknowledged()) backlog_->pass(first, end);
  live_lane_->move_to(split_);
  live_->begin_at(split_);
  backlog_->on_advanced();
}

void LiveFirst::store_position() {
  const Seq backlog = backlog_lane_->position();
  const Seq position = backlog >= split_ ? live_lane_->position() : backlog;
  if (position > source_.position()) source_.advance(position);
  if (save_timer_ != 0) return;
  save_timer_ = timers_.after(kSaveMs, [this] {
    save_timer_ = 0;
    save();
  });
}

RangeSet LiveFirst::acknowledged() const {
  RangeSet done;
  for (const auto& [first, end] : backlog_->acknowledged()) done.add(first, end);
  done.add(split_, live_lane_->position());
  for (const auto& [first, end] : live_->acknowledged()) done.add(first, end);
  done.drop_below(source_.position());
  return done;
}

void LiveFirst::save() {
  RangeSet done = acknowledged();
  // Too many: the highest are given up, and sent twice after a crash.
  RangeSet kept;
  for (const auto& [first, end] : done.ranges()) {
    if (kept.size() < kMaxRanges) kept.add(first, end);
  }
  source_.save_ranges(kept.encode());
}

void LiveFirst::unblock() {
  backlog_->unblock();
  live_->unblock();
}

ExporterStatus LiveFirst::status() const {
  ExporterStatus all = live_->status();
  const ExporterStatus old = backlog_->status();
  all.position = source_.position();
  all.backlog += old.backlog;
  all.in_flight += old.in_flight;
  all.sent_records += old.sent_records;
  all.sent_batches += old.sent_batches;
  all.sent_bytes += old.sent_bytes;
  all.metered_bytes += old.metered_bytes;
  all.metered_singly_bytes += old.metered_singly_bytes;
  all.dead_letters += old.dead_letters;
  if (all.blocked.empty()) all.blocked = old.blocked;
  all.last_ack_ms = std::max(all.last_ack_ms, old.last_ack_ms);
  return all;
}

}  // namespace tg::uplink
