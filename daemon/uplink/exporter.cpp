#include "daemon/uplink/exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/store/stored_time.h"

namespace tg::uplink {

namespace {

const log::Component kLog{"uplink"};

constexpr std::size_t kReadBytes = 128 * 1024;
constexpr std::int64_t kReadRetryMs = 1000;
constexpr std::uint64_t kFewRecords = 50;
constexpr std::int64_t kRoomMs = 1'000;  // between attempts to write a dead letter
constexpr std::string_view kTopicField = "{topic}";

std::string expand_topic(const std::string& pattern, std::string_view topic) {
  std::string out;
  std::size_t from = 0;
  for (std::size_t at = 0; (at = pattern.find(kTopicField, from)) != std::string::npos;) {
    out.append(pattern, from, at - from);
    out += topic;
    from = at + kTopicField.size();
  }
  return out.append(pattern, from);
}

}  // namespace

Exporter::Exporter(ExportOptions options, const std::string& gateway, bool with_properties,
                   Source& source, const Clock& clock, Timers& timers, Metrics& metrics,
                   Letters letters, Task on_ready)
    : options_(std::move(options)),
      envelope_{gateway, options_.stream, source.epoch()},
      with_properties_(with_properties),
      source_(source),
      clock_(clock),
      timers_(timers),
      on_ready_(std::move(on_ready)),
      records_sent_(metrics.counter("tidegate_uplink_records_sent_total",
                                    "Records acknowledged by the cloud",
                                    {{"export", options_.name}})),
      bytes_sent_(metrics.counter("tidegate_uplink_bytes_sent_total",
                                  "Payload bytes acknowledged by the cloud",
                                  {{"export", options_.name}})),
      metered_(metrics.counter("tidegate_uplink_metered_bytes_total",
                               "Bytes the cloud bills for what it acknowledged: whole units",
                               {{"export", options_.name}})),
      metered_singly_(metrics.counter("tidegate_uplink_metered_singly_bytes_total",
                                      "What it would have billed with one publish a record",
                                      {{"export", options_.name}})),
      expired_(metrics.counter("tidegate_uplink_expired_total",
                               "Records passed over because their message expiry had passed",
                               {{"export", options_.name}})),
      blocked_(metrics.gauge("tidegate_uplink_export_blocked",
                             "1 when the cloud refuses record after record and nothing is sent",
                             {{"export", options_.name}})),
      letters_(std::move(letters)),
      tracker_(source.position()),
      next_(source.position()),
      builder_(options_.format, options_.compression, envelope_, options_.batch),
      available_since_ms_(clock.mono_ms()),
      early_ms_(options_.early_ms) {
  blocked_.set(0);  // one of that name may have been, before a reload
}

Exporter::~Exporter() {
  cancel_age_timer();
  if (room_timer_ != 0) timers_.cancel(room_timer_);
  timers_.cancel(retry_timer_);
}

void Exporter::on_advanced() {
  is_dry_ = false;
  if (!available_since_ms_) available_since_ms_ = clock_.mono_ms();
  fill_and_tell();
}

void Exporter::link_up(std::size_t batch_bytes) {
  is_up_ = true;
  builder_.set_max_bytes(batch_bytes);
  fill();
}

// More waits behind the batch than will go with the next one or two.
bool Exporter::is_backlog() const {
  if (!ready_) return false;
  return source_.next() > ready_->end + 2 * std::max<std::uint64_t>(ready_->records, kFewRecords);
}

void Exporter::link_closed(const LinkEnd& end) {
  is_up_ = false;
  if (!end.explained && !sent_.empty()) {
    Seq last = 0;
    for (const auto& [id, sent] : sent_) last = std::max(last, sent.end);
    const Sent& only = sent_.begin()->second;
    std::optional<Seq> alone;
    if (end.in_flight == 1 && sent_.size() == 1 && only.items == 1) alone = only.first;
    refusals_.lost(last, alone, end.reason, clock_.now().wall_ms);
  }
  sent_.clear();
  tracker_.forget_unacknowledged();
  restart_at(tracker_.watermark());
}

void Exporter::restart_at(Seq next) {
  next_ = next;
  chunk_ = {};
  gap_.reset();
  builder_.clear();
  ready_.reset();
  is_reading_ = false;
  is_dry_ = false;
  ++read_number_;
  cancel_age_timer();
  if (!available_since_ms_) available_since_ms_ = clock_.mono_ms();
}

void Exporter::fill_and_tell() {
  if (!is_up_) return;
  fill();
  if (is_ready()) on_ready_();
}

bool Exporter::is_held() const { return !refusals_.blocked().empty() || source_.is_paused(); }

void Exporter::fill() {
  while (!ready_ && !is_held() && step()) {
  }
}

bool Exporter::step() {
  const Seq skipped = tracker_.skip_acknowledged(next_);
  if (skipped != next_) {
    if (!builder_.is_empty()) close_batch();
    next_ = skipped;
    return true;
  }
  if (gap_) {
    add_gap();
    return true;
  }
  if (next_ >= chunk_.first && next_ < chunk_.end()) {
    return add_record(chunk_.records[next_ - chunk_.first]);
  }
  read_more();
  return false;
}

void Exporter::add_gap() {
  if (next_ > gap_->last) return gap_.reset();
  if (is_condemned()) {
    static_cast<void>(take_out(nullptr));
    return;
  }
  const Seq end = std::min(gap_->last + 1, tracker_.barrier(next_));
  const Gap gap{next_, end - 1, gap_->reason};
  if (options_.format == Format::kRaw) {
    log::warning(kLog, "{}: records {}..{} of stream {} are gone ({})", options_.name, gap.first,
                 gap.last, options_.stream, gap.reason);
    return pass_over(end);
  }
  const bool first = builder_.is_empty();
  switch (builder_.add_gap(gap)) {
    case BatchBuilder::Added::kYes:
      next_ = end;
      if (first) begin_batch();
      if (builder_.is_full()) close_batch();
      return;
    case BatchBuilder::Added::kFull:
      return close_batch();
    case BatchBuilder::Added::kTooLarge:
      return pass_over(end);
  }
}

bool Exporter::add_record(const store::Record& record) {
  Gap gap;
  if (options_.format == Format::kRaw && !record.tail.empty() && read_gap(record, gap)) {
    log::warning(kLog, "{}: records {}..{} are gone ({})", options_.name, gap.first, gap.last,
                 gap.reason);
    pass_over(next_ + 1);
    return true;
  }
  if (is_condemned()) return take_out(&record);
  if (options_.format == Format::kRaw && has_expired(record)) {
    expired_.add();
    pass_over(next_ + 1);
    return true;
  }
  if (options_.format != Format::kRaw) return put(record, record);
  const std::string topic = expand_topic(options_.topic, record.topic);
  if (const auto problem = topic_problem(topic, options_.limits)) {
    if (!set_aside(record, *problem)) return false;
    count_refusal(*problem);  // a wrong prefix must not drain the stream
    return true;
  }
  store::Record sent = record;
  sent.topic = topic;
  return put(sent, record);
}

bool Exporter::put(const store::Record& sent, const store::Record& record) {
  const bool first = builder_.is_empty();
  switch (builder_.add(next_, sent)) {
    case BatchBuilder::Added::kYes:
      if (builder_.unit_end() == next_) unit_ms_ = clock_.mono_ms();
      ++next_;
      if (first) begin_batch();
      if (builder_.is_full()) close_batch();
      return true;
    case BatchBuilder::Added::kFull:
      close_batch();
      return true;
    case BatchBuilder::Added::kTooLarge:
      return set_aside(record, "too large for a publish");
  }
  return true;
}

bool Exporter::set_aside(const store::Record& record, const std::string& why) {
  const std::int64_t now_ms = clock_.now().wall_ms;
  if (!letter(next_, record, why, {next_, {}, now_ms, now_ms, 1})) return false;
  if (set_aside_lines_.allow(clock_.mono_ms())) {
    log::error(kLog,
               "{}: record {} of stream {} ({} bytes, topic {}) becomes a dead letter: {} ({} more "
               "since the last such line)",
               options_.name, next_, options_.stream, record.payload.size(), record.topic, why,
               set_aside_lines_.take_suppressed());
  }
  pass_over(next_ + 1);
  return true;
}

bool Exporter::is_condemned() const {
  return refusals_.condemned() && refusals_.condemned()->seq == next_;
}

bool Exporter::take_out(const store::Record* record) {
  if (!builder_.is_empty()) {
    close_batch();
    return true;
  }
  const Refusals::Condemned condemned = *refusals_.condemned();
  if (record != nullptr && !letter(next_, *record, condemned.reason, condemned)) return false;
  log::error(kLog,
             "{}: record {} of stream {} was alone in flight when the connection ended, {} "
             "times in a row: it becomes a dead letter ({})",
             options_.name, condemned.seq, options_.stream, condemned.attempts, condemned.reason);
  pass_over(record != nullptr ? next_ + 1 : std::min(gap_->last + 1, tracker_.barrier(next_)));
  count_refusal(condemned.reason);
  return true;
}

bool Exporter::letter(Seq seq, const store::Record& record, const std::string& reason,
                      const Refusals::Condemned& attempts) {
  const pipeline::Cause cause{options_.stream,   options_.name,    envelope_.epoch,  seq, reason,
                              attempts.first_ms, attempts.last_ms, attempts.attempts};
  if (letters_(cause, record)) {
    ++counts_.dead_letters;
    return true;
  }
  if (room_timer_ == 0) {
    room_timer_ = timers_.after(kRoomMs, [this] {
      room_timer_ = 0;
      fill_and_tell();
    });
  }
  return false;
}

bool Exporter::refused(std::uint64_t id, const std::string& reason) {
  const auto found = sent_.find(id);
  if (found == sent_.end()) return true;
  if (found->second.items > 1) {
    refusals_.split(found->second.end);
    return false;
  }
  const std::int64_t now_ms = clock_.now().wall_ms;
  read_refused(id, {found->second.first, reason, now_ms, now_ms, 1});
  return true;
}

// The record's bytes are not at hand any more: they are read once again.
void Exporter::read_refused(std::uint64_t id, const Refusals::Condemned& refusal) {
  source_.read(
      refusal.seq, 1,
      [this, id, refusal, alive = std::weak_ptr(alive_)](const Result<store::Chunk>& chunk) {
        if (!alive.expired()) settle_refused(id, refusal, chunk);
      });
}

void Exporter::settle_refused(std::uint64_t id, const Refusals::Condemned& refusal,
                              const Result<store::Chunk>& chunk) {
  const auto found = sent_.find(id);
  if (found == sent_.end()) return;  // the connection has gone, or the export is blocked
  const bool is_there = chunk && !chunk->records.empty() && chunk->first == refusal.seq;
  if (!chunk ||
      (is_there && !letter(refusal.seq, chunk->records.front(), refusal.reason, refusal))) {
    timers_.after(kRoomMs, [this, id, refusal, alive = std::weak_ptr(alive_)] {
      if (!alive.expired()) read_refused(id, refusal);
    });
    return;
  }
  log::error(kLog, "{}: record {} of stream {} is refused by the cloud and {}: {}", options_.name,
             refusal.seq, options_.stream,
             is_there ? "becomes a dead letter" : "is gone from the stream", refusal.reason);
  static_cast<void>(tracker_.acked(id));
  sent_.erase(found);
  store_position();
  count_refusal(refusal.reason);
  fill_and_tell();
}

void Exporter::count_refusal(const std::string& reason) {
  if (refusals_.lettered(reason)) block();
}

void Exporter::block() {
  log::error(kLog,
             "{}: blocked: {} records in a row were refused ({}). Nothing more is sent and the "
             "data is kept; mend the cause, then: tidegatectl dlq unblock {}",
             options_.name, Refusals::kLettersToBlock, refusals_.blocked(), options_.name);
  blocked_.set(1);
  sent_.clear();
  tracker_.forget_unacknowledged();
  restart_at(tracker_.watermark());
}

void Exporter::pass(Seq first, Seq end) {
  if (end <= tracker_.watermark()) return;
  tracker_.passed(std::max(first, tracker_.watermark()), end);
  restart_at(tracker_.watermark());
  store_position();
}

void Exporter::begin_at(Seq next) {
  sent_.clear();
  tracker_ = AckTracker(next);
  restart_at(next);
}

void Exporter::on_rewound() {
  begin_at(source_.position());
  source_.save_ranges({});  // a live-first export of that name may have left some
  fill_and_tell();
}

void Exporter::unblock() {
  if (refusals_.blocked().empty()) return;
  log::info(kLog, "{}: sends again", options_.name);
  blocked_.set(0);
  refusals_.unblock();
  fill_and_tell();
}

bool Exporter::is_suspect() const {
  // What is held settles nothing: the others must not wait for it.
  return !is_held() && refusals_.is_suspect(tracker_.watermark());
}

void Exporter::pass_over(Seq end) {
  tracker_.passed(next_, end);
  next_ = end;
  store_position();
}

void Exporter::begin_batch() {
  const std::int64_t now_ms = clock_.mono_ms();
  const std::int64_t since_ms = available_since_ms_.value_or(now_ms);
  const std::int64_t due_ms = since_ms + options_.max_age_ms - std::exchange(early_ms_, 0);
  const std::int64_t delay_ms = std::max<std::int64_t>(due_ms - now_ms, 0);
  age_timer_ = timers_.after(delay_ms, [this] {
    age_timer_ = 0;
    if (ready_ || builder_.is_empty()) return;
    close_aged_batch();
    on_ready_();
  });
}

void Exporter::close_aged_batch() {
  if (builder_.whole_units_end() == 0) return close_batch();
  ready_ = builder_.take_whole_units();
  next_ = ready_->end;
  available_since_ms_ = unit_ms_;
  // What is left out is read again: an answer that is under way begins behind it.
  is_dry_ = is_reading_ = false;
  ++read_number_;
}

void Exporter::close_batch() {
  cancel_age_timer();
  ready_ = builder_.take();
  available_since_ms_.reset();
  if (source_.next() > next_) available_since_ms_ = clock_.mono_ms();
}

void Exporter::read_more() {
  if (is_reading_ || is_dry_) return;
  if (source_.next() <= next_) {
    chunk_ = {};
    is_dry_ = true;
    if (builder_.is_empty()) available_since_ms_.reset();
    return;
  }
  if (envelope_.epoch != source_.epoch() && builder_.is_empty()) {  // the store has begun a new one
    envelope_.epoch = source_.epoch();
    builder_.set_envelope(envelope_);
  }
  is_reading_ = true;
  chunk_ = {};
  source_.read(
      next_, kReadBytes,
      [this, number = ++read_number_, alive = std::weak_ptr(alive_)](Result<store::Chunk> chunk) {
        if (alive.expired() || number != read_number_) return;
        is_reading_ = false;
        on_read(std::move(chunk));
      });
}

void Exporter::on_read(Result<store::Chunk> chunk) {
  if (!chunk) {
    if (read_errors_.allow(clock_.mono_ms())) {
      log::error(kLog, "{}: cannot read stream {}: {}; tried again every second", options_.name,
                 options_.stream, chunk.error().message);
    }
    is_dry_ = true;
    if (retry_timer_ == 0) {
      retry_timer_ = timers_.after(kReadRetryMs, [this] {
        retry_timer_ = 0;
        on_advanced();
      });
    }
    return;
  }
  if (chunk->first > next_) gap_ = Gap{next_, chunk->first - 1, chunk->gap_reason};
  is_dry_ = chunk->records.empty() && chunk->first <= next_;  // behind a gap records may have come
  chunk_ = std::move(*chunk);
  fill_and_tell();
}

cloud::OutgoingPublish Exporter::take(std::uint64_t id) {
  Batch batch = std::move(*ready_);
  ready_.reset();
  tracker_.sent(id, batch.first, batch.end);
  sent_.emplace(id, Sent{batch.first, batch.end, batch.items, batch.records, batch.payload.size(),
                         batch.metered, batch.metered_singly});
  cloud::OutgoingPublish publish = make_publish(id, std::move(batch));
  fill();
  return publish;
}

cloud::OutgoingPublish Exporter::make_publish(std::uint64_t id, Batch batch) const {
  cloud::OutgoingPublish publish;
  publish.id = id;
  publish.topic = options_.format == Format::kRaw ? std::move(batch.topic) : options_.topic;
  publish.payload = std::move(batch.payload);
  if (with_properties_) add_properties(publish, batch);
  return publish;
}

void Exporter::add_properties(cloud::OutgoingPublish& publish, Batch& batch) const {
  PublishProperties& own = batch.properties;
  publish.content_type = std::move(own.content_type);
  publish.response_topic = std::move(own.response_topic);
  publish.correlation_data = std::move(own.correlation_data);
  publish.payload_format = own.payload_format;
  if (own.expiry_s) {
    const std::int64_t passed_s = age_ms(batch.received, batch.boot) / 1000;
    publish.expiry_s =
        static_cast<std::uint32_t>(std::max<std::int64_t>(*own.expiry_s - passed_s, 1));
  }
  publish.user_properties = std::move(own.user);
  const auto add = [&publish](const char* name, std::string value) {
    publish.user_properties.emplace_back(name, std::move(value));
  };
  std::string seq = std::to_string(batch.first);
  if (batch.end - batch.first > 1) seq += ".." + std::to_string(batch.end - 1);
  add("gateway", envelope_.gateway);
  add("stream", envelope_.stream);
  add("epoch", envelope_.epoch);
  add("seq", std::move(seq));
  add("time", std::to_string(batch.received.wall_ms));
  add("clock", batch.received.quality == ClockQuality::kSynchronised ? "synced" : "unsynced");
  if (options_.compression != Compression::kNone) {
    add("content-encoding", options_.compression == Compression::kZstd ? "zstd" : "gzip");
  }
}

bool Exporter::has_expired(const store::Record& record) const {
  if (record.tail.empty()) return false;
  const auto expiry_s = read_expiry(record);
  if (!expiry_s) return false;
  return age_ms(record.received, record.boot) / 1000 >= *expiry_s;
}

std::int64_t Exporter::age_ms(const Timestamp& received, std::uint32_t boot) const {
  return store::age_ms({received, boot}, clock_.now(), source_.boot());
}

void Exporter::untake(std::uint64_t id) {
  const auto found = sent_.find(id);
  if (found == sent_.end()) return;
  const Seq first = found->second.first;
  sent_.erase(found);
  tracker_.forget(id);
  restart_at(first);
  fill();
}

void Exporter::acked(std::uint64_t id) {
  const auto found = sent_.find(id);
  if (found == sent_.end() || !tracker_.acked(id)) return;
  if (found->second.records > 0) refusals_.acked();
  ++counts_.sent_batches;
  counts_.sent_records += found->second.records;
  counts_.sent_bytes += found->second.bytes;
  counts_.metered_bytes += found->second.metered;
  counts_.metered_singly_bytes += found->second.metered_singly;
  metered_.add(found->second.metered);
  metered_singly_.add(found->second.metered_singly);
  counts_.last_ack_ms = clock_.now().wall_ms;
  records_sent_.add(found->second.records);
  bytes_sent_.add(found->second.bytes);
  sent_.erase(found);
  store_position();
}

void Exporter::store_position() {
  if (tracker_.watermark() > source_.position()) source_.advance(tracker_.watermark());
}

void Exporter::cancel_age_timer() {
  if (age_timer_ != 0) timers_.cancel(std::exchange(age_timer_, 0));
}

std::string Exporter::progress(Seq seq) const {
  if (seq < tracker_.watermark()) return "acknowledged by the cloud";
  for (const auto& [id, sent] : sent_) {
    if (seq >= sent.first && seq < sent.end) {
      return fmt::format("in flight, in publish {} with {} record(s)", id, sent.records);
    }
  }
  if (source_.is_paused()) return "held: the export is paused";
  if (!is_up_) return "waits for the connection to the cloud";
  if (seq < next_) return "in a batch that waits to be full, for its age or for the window";
  return fmt::format("{} record(s) are before it", seq - next_);
}

ExporterStatus Exporter::status() const {
  ExporterStatus status = counts_;
  status.name = options_.name;
  status.stream = options_.stream;
  status.position = tracker_.watermark();
  const Seq from = std::max(status.position, source_.first());  // what was evicted waits no more
  status.backlog = source_.next() - std::min(source_.next(), from);
  for (const auto& [first, end] : tracker_.acknowledged()) {
    status.backlog -= std::min(status.backlog, end - std::clamp(from, first, end));
  }
  status.in_flight = tracker_.in_flight();
  status.paused = source_.is_paused();
  status.blocked = refusals_.blocked();
  return status;
}

}  // namespace tg::uplink
