#include "daemon/uplink/exporter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace tg::uplink {

namespace {

const log::Component kLog{"uplink"};

constexpr std::size_t kReadBytes = 128 * 1024;
constexpr std::int64_t kReadRetryMs = 1000;
constexpr std::string_view kTopicField = "{topic}";

std::string expand_topic(const std::string& pattern, const std::string& topic) {
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
                   Task on_ready)
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
      oversize_(metrics.counter("tidegate_uplink_oversize_total",
                                "Records passed over because no publish can hold them",
                                {{"export", options_.name}})),
      tracker_(source.position()),
      next_(source.position()),
      builder_(options_.format, envelope_, options_.batch),
      available_since_ms_(clock.mono_ms()) {}

Exporter::~Exporter() {
  cancel_age_timer();
  timers_.cancel(retry_timer_);
}

void Exporter::on_advanced() {
  is_dry_ = false;
  if (!available_since_ms_) available_since_ms_ = clock_.mono_ms();
  fill_and_tell();
}

void Exporter::link_up() {
  is_up_ = true;
  fill();
}

void Exporter::link_closed() {
  is_up_ = false;
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
  if (!is_up_ || ready_) return;
  fill();
  if (ready_) on_ready_();
}

void Exporter::fill() {
  while (!ready_ && step()) {
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
    add_record(chunk_.records[next_ - chunk_.first]);
    return true;
  }
  read_more();
  return false;
}

void Exporter::add_gap() {
  if (next_ > gap_->last) return gap_.reset();
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

void Exporter::add_record(const store::Record& record) {
  Gap gap;
  if (options_.format == Format::kRaw && !record.tail.empty() && read_gap(record, gap)) {
    log::warning(kLog, "{}: records {}..{} are gone ({})", options_.name, gap.first, gap.last,
                 gap.reason);
    return pass_over(next_ + 1);
  }
  const bool first = builder_.is_empty();
  switch (builder_.add(next_, record)) {
    case BatchBuilder::Added::kYes:
      ++next_;
      in_oversize_run_ = false;
      if (first) begin_batch();
      if (builder_.is_full()) close_batch();
      return;
    case BatchBuilder::Added::kFull:
      return close_batch();
    case BatchBuilder::Added::kTooLarge:
      ++counts_.oversize;
      oversize_.add();
      if (!std::exchange(in_oversize_run_, true)) {
        log::error(kLog, "{}: record {} of stream {} refused: too large ({} bytes); passed over",
                   options_.name, next_, options_.stream, record.payload.size());
      }
      return pass_over(next_ + 1);
  }
}

void Exporter::pass_over(Seq end) {
  tracker_.passed(next_, end);
  next_ = end;
  store_position();
}

void Exporter::begin_batch() {
  const std::int64_t now_ms = clock_.mono_ms();
  const std::int64_t since_ms = available_since_ms_.value_or(now_ms);
  const std::int64_t delay_ms = std::max<std::int64_t>(since_ms + options_.max_age_ms - now_ms, 0);
  age_timer_ = timers_.after(delay_ms, [this] {
    age_timer_ = 0;
    if (ready_ || builder_.is_empty()) return;
    close_batch();
    on_ready_();
  });
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
    builder_ = BatchBuilder(options_.format, envelope_, options_.batch);
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
  is_dry_ = chunk->records.empty();
  chunk_ = std::move(*chunk);
  fill_and_tell();
}

cloud::OutgoingPublish Exporter::take(std::uint64_t id) {
  Batch batch = std::move(*ready_);
  ready_.reset();
  tracker_.sent(id, batch.first, batch.end);
  sent_.emplace(id, Sent{batch.first, batch.records, batch.payload.size()});
  cloud::OutgoingPublish publish = make_publish(id, std::move(batch));
  fill();
  return publish;
}

cloud::OutgoingPublish Exporter::make_publish(std::uint64_t id, Batch batch) const {
  cloud::OutgoingPublish publish;
  publish.id = id;
  publish.topic =
      options_.format == Format::kRaw ? expand_topic(options_.topic, batch.topic) : options_.topic;
  publish.payload = std::move(batch.payload);
  if (!with_properties_) return publish;
  publish.content_type = std::move(batch.content_type);
  publish.user_properties = std::move(batch.user_properties);
  std::string seq = std::to_string(batch.first);
  if (batch.end - batch.first > 1) seq += ".." + std::to_string(batch.end - 1);
  const std::pair<std::string, std::string> own[] = {{"gateway", envelope_.gateway},
                                                     {"stream", envelope_.stream},
                                                     {"epoch", envelope_.epoch},
                                                     {"seq", std::move(seq)},
                                                     {"time", std::to_string(batch.time_ms)}};
  for (const auto& property : own) publish.user_properties.push_back(property);
  return publish;
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
  ++counts_.sent_batches;
  counts_.sent_records += found->second.records;
  counts_.sent_bytes += found->second.bytes;
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
    if (seq >= sent.first && seq < sent.first + sent.records) {
      return fmt::format("in flight, in publish {} with {} record(s)", id, sent.records);
    }
  }
  if (!is_up_) return "waits for the connection to the cloud";
  if (seq < next_) return "in a batch that waits to be full, for its age or for the window";
  return fmt::format("{} record(s) are before it", seq - next_);
}

ExporterStatus Exporter::status() const {
  ExporterStatus status = counts_;
  status.name = options_.name;
  status.stream = options_.stream;
  status.position = tracker_.watermark();
  status.backlog = source_.next() - std::min(source_.next(), status.position);
  status.in_flight = tracker_.in_flight();
  return status;
}

}  // namespace tg::uplink
