#include "daemon/plugin_host/processor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/base/log.h"

namespace tg::plugin_host {
namespace {

const log::Component kLog{"plugin"};

constexpr std::size_t kBatchBytes = 64 * 1024;
constexpr std::int64_t kRetryMs = 100;
constexpr std::int64_t kRestartMs = 1000;
constexpr std::int64_t kLongestWaitMs = 3'600'000;

}  // namespace

template <class F>
auto Processor::guarded(F call) {
  return [alive = alive_, call = std::move(call)](auto&&... arguments) {
    if (*alive) call(std::forward<decltype(arguments)>(arguments)...);
  };
}

Processor::Processor(ProcessorOptions options, const tidegate_plugin* plugin, store::Store& store,
                     const Clock& clock, Timers& timers, Post post, Metrics& metrics,
                     pipeline::Letters letters)
    : options_(std::move(options)),
      plugin_(plugin),
      store_(store),
      clock_(clock),
      timers_(timers),
      input_(store.find_stream(options_.input)),
      output_(options_.output.empty()
                  ? std::nullopt
                  : std::optional<store::StreamId>(store.find_stream(options_.output))),
      reader_(store.find_reader(options_.input, options_.name).value()),
      position_(store.position(reader_)),
      letters_(std::move(letters)),
      worker_(options_.name, plugin, options_.config_json, clock, std::move(post),
              options_.stop_ms) {
  const MetricLabels labels{{"processor", options_.name}};
  in_ = metrics.counter("tidegate_processor_records_in_total", "Records handled", labels);
  out_ = metrics.counter("tidegate_processor_records_out_total", "Records written", labels);
  errors_ = metrics.counter("tidegate_processor_errors_total", "Failed calls", labels);
  dead_letters_ = metrics.counter("tidegate_processor_dead_letters_total",
                                  "Records that the plugin could not handle", labels);
  blocked_ =
      metrics.gauge("tidegate_processor_blocked",
                    "1 when the plugin failed at record after record and none is read", labels);
  dropped_ = metrics.counter("tidegate_processor_dropped_total",
                             "Records dropped by the plugin or by a full output", labels);
  blocked_.set(0);  // one of that name may have been, before a reload
}

Processor::~Processor() {
  *alive_ = false;
  timers_.cancel(wake_);
}

void Processor::start() { restore(); }

void Processor::restore() {
  busy_ = true;
  store_.get_state(options_.name, guarded([this](Result<StateEntries> entries) {
                     if (entries) {
                       worker_.start(std::move(*entries), guarded([this](Result<Transaction> made) {
                                       restored(std::move(made));
                                     }));
                       return;
                     }
                     note_error("its state cannot be read: " + entries.error().message);
                     wake_ = timers_.after(kRestartMs, [this] { restore(); });
                   }));
}

void Processor::restored(Result<Transaction> made) {
  busy_ = false;
  if (!made) {
    phase_ = Phase::kFailed;
    note_error("cannot be started: " + made.error().message);
    if (stopping_) end_stop();
    return;
  }
  phase_ = Phase::kRunning;
  timer_ms_ = made->timer_ms;
  pump();
}

void Processor::on_advanced() { pump(); }

void Processor::pump() {
  if (busy_ || phase_ != Phase::kRunning) return;
  if (stopping_) return end_stop();
  timers_.cancel(wake_);
  wake_ = 0;
  if (store_.is_paused(reader_)) return;  // the end of it is told as new records are
  if (chunk_ != nullptr) return handle();
  const bool waiting = position_ < store_.status(input_).next;
  const std::int64_t now = waiting ? stream_ms_ : clock_.now().wall_ms;
  if (timer_ms_ != 0 && timer_ms_ <= now) return fire_timer(now);
  if (waiting) return read();
  if (timer_ms_ != 0) {
    wake_ = timers_.after(std::min(timer_ms_ - now, kLongestWaitMs), [this] { pump(); });
  }
}

void Processor::read() {
  busy_ = true;
  store_.read(input_, position_, kBatchBytes, guarded([this](Result<store::Chunk> chunk) {
                busy_ = false;
                if (!chunk) {
                  note_error("its stream cannot be read: " + chunk.error().message);
                  wake_ = timers_.after(kRestartMs, [this] { pump(); });
                  return;
                }
                if (chunk->records.empty() && chunk->first == position_) return;
                take(std::move(*chunk));
              }));
}

void Processor::take(store::Chunk chunk) {
  if (chunk.records.empty()) {  // only what has been evicted
    position_ = chunk.end();
    store_.advance(reader_, position_);
    return pump();
  }
  chunk_ = std::make_shared<store::Chunk>(std::move(chunk));
  handle();
}

void Processor::handle() {
  busy_ = true;
  worker_.process(chunk_, settled_, in_hand(),
                  guarded([this](Transaction done) { handled(std::move(done)); }));
}

std::size_t Processor::in_hand() const {
  return one_by_one_ ? 1 : chunk_->records.size() - settled_;
}

void Processor::fire_timer(std::int64_t now_ms) {
  busy_ = true;
  worker_.timer(now_ms, guarded([this](Transaction done) { handled(std::move(done)); }));
}

void Processor::handled(Transaction done) {
  busy_ = false;
  if (done.would_block) return retry_call(done.last_line);
  if (std::exchange(has_no_room_, false)) log::info(kLog, "{}: goes on", options_.name);
  if (!done.ok) return failed_call(done.last_line);
  if (!apply(done)) return retry_apply(std::move(done));
  pump();
}

store::Admission Processor::admit(const Transaction& done) {
  if (done.outputs.empty()) return store::Admission::kYes;
  std::size_t bytes = 0;
  store::Record record;
  record.publisher = options_.name;
  for (const auto& output : done.outputs) {
    record.topic = output.topic;
    record.payload = output.payload;
    bytes += store::record_size_bound(record);
  }
  return store_.admit({&*output_, 1}, bytes);
}

bool Processor::apply(Transaction& done) {
  const store::Admission admission = admit(done);
  if (admission == store::Admission::kBusy || admission == store::Admission::kFull) return false;
  while (!done.dead.empty()) {
    const std::string& said = done.last_line;
    if (!letter(done.dead.back(), said.empty() ? "refused by the plugin" : said, 1)) return false;
    done.dead.pop_back();
  }
  if (admission == store::Admission::kDiscard) {
    dropped_.add(done.outputs.size());
  } else {
    append(done);
  }
  for (const auto& [key, value] : done.state) store_.put_state(options_.name, key, value);
  dropped_.add(done.dropped);
  timer_ms_ = done.timer_ms;
  if (done.is_timer) {
    failed_timers_ = 0;
  } else {
    given_up_ = 0;
    in_.add(in_hand());
    pass(in_hand());
  }
  return true;
}

void Processor::append(const Transaction& done) {
  const Timestamp now = clock_.now();
  store::Record record;
  record.publisher = options_.name;
  for (const auto& output : done.outputs) {
    record.topic = output.topic;
    record.payload = output.payload;
    record.qos = output.qos;
    record.retain = output.retain;
    record.received = now;
    if (output.time_ms != 0) record.received.wall_ms = output.time_ms;
    store_.append(*output_, record);
  }
  out_.add(done.outputs.size());
}

void Processor::pass(std::size_t records) {
  settled_ += records;
  stream_ms_ = chunk_->records[settled_ - 1].received.wall_ms;
  position_ = chunk_->first + settled_;
  store_.advance(reader_, position_);
  if (settled_ < chunk_->records.size()) return;
  chunk_ = nullptr;
  settled_ = 0;
  again_ = one_by_one_ = false;
}

void Processor::retry_apply(Transaction done) {
  phase_ = Phase::kWaiting;
  if (stopping_) return end_stop();  // it comes again after the next start
  wake_ = timers_.after(kRetryMs, [this, done = std::move(done)]() mutable {
    phase_ = Phase::kRunning;
    if (!apply(done)) return retry_apply(std::move(done));
    pump();
  });
}

void Processor::retry_call(const std::string& said) {
  phase_ = Phase::kWaiting;
  if (stopping_) return end_stop();  // it comes again after the next start
  const std::string reason = said.empty() ? "the plugin has no room" : said;
  if (!std::exchange(has_no_room_, true) || reason != last_error_) note_error(reason);
  wake_ = timers_.after(kRestartMs, [this] {
    phase_ = Phase::kRunning;
    pump();
  });
}

void Processor::failed_call(const std::string& reason) {
  if (chunk_ == nullptr) {
    note_error("a timer's call has failed; the instance is made anew");
    if (++failed_timers_ == kFailuresToBlock) return block();
    phase_ = Phase::kStarting;
    wake_ = timers_.after(kRestartMs, [this] { make_anew(); });
    return;
  }
  if (!again_ && !one_by_one_) {
    note_error("a call has failed; the instance is made anew, and the batch comes again");
    again_ = true;
    first_failure_ms_ = clock_.now().wall_ms;
    return make_anew();
  }
  if (in_hand() == 1) return give_up(reason.empty() ? "the plugin failed" : reason);
  note_error("a batch has failed twice; its records come one by one");
  one_by_one_ = true;
  make_anew();
}

void Processor::make_anew() {
  phase_ = Phase::kStarting;
  busy_ = true;
  // What was put into the store before must be there when the state is read.
  store_.after_commit(guarded([this] { restore(); }));
}

void Processor::give_up(const std::string& reason) {
  if (!letter(0, reason, one_by_one_ ? 3 : 2)) {
    phase_ = Phase::kWaiting;
    if (stopping_) return end_stop();  // it comes again after the next start
    wake_ = timers_.after(kRetryMs, [this, reason] { give_up(reason); });
    return;
  }
  note_error(
      fmt::format("record {} of stream {} becomes a dead letter, for the plugin fails at it: {}",
                  position_, options_.input, reason));
  pass(1);
  if (++given_up_ == kFailuresToBlock) return block();
  make_anew();
}

void Processor::block() {
  log::error(kLog,
             "{}: blocked: the plugin failed {} times in a row. Nothing more is read and the data "
             "is kept; mend the cause, then: tidegatectl dlq unblock {}",
             options_.name, kFailuresToBlock, options_.name);
  blocked_.set(1);
  phase_ = Phase::kBlocked;
  if (stopping_) end_stop();
}

void Processor::unblock() {
  if ((phase_ != Phase::kBlocked && phase_ != Phase::kFailed) || stopping_) return;
  log::info(kLog, "{}: begins anew", options_.name);
  blocked_.set(0);
  given_up_ = failed_timers_ = 0;
  make_anew();
}

bool Processor::letter(std::size_t record, const std::string& reason, std::uint64_t attempts) {
  const std::size_t at = settled_ + record;
  const std::int64_t now_ms = clock_.now().wall_ms;
  const pipeline::Cause cause{options_.input, options_.name,
                              store_.epoch(), chunk_->first + at,
                              reason,         attempts > 1 ? first_failure_ms_ : now_ms,
                              now_ms,         attempts};
  if (!letters_(cause, chunk_->records[at])) return false;
  dead_letters_.add();
  return true;
}

void Processor::note_error(std::string text) {
  errors_.add();
  log::error(kLog, "{}: {}", options_.name, text);
  last_error_ = std::move(text);
}

void Processor::stop(Task done) {
  stopping_ = true;
  stopped_ = std::move(done);
  timers_.after(options_.stop_ms, guarded([this] { end_stop(); }));
  if (!busy_) end_stop();
}

void Processor::end_stop() {
  if (!stopped_) return;
  if (phase_ != Phase::kFailed) phase_ = Phase::kStopped;
  blocked_.set(0);
  timers_.cancel(wake_);
  timers_.after(0, std::exchange(stopped_, nullptr));
}

ProcessorStatus Processor::status() const {
  static constexpr const char* kPhases[] = {"starting", "running", "waiting",
                                            "blocked",  "failed",  "stopped"};
  ProcessorStatus status;
  status.name = options_.name;
  status.plugin = options_.plugin;
  status.version = plugin_->version != nullptr ? plugin_->version : "";
  const bool is_paused = phase_ == Phase::kRunning && store_.is_paused(reader_);
  status.state = is_paused ? "paused" : kPhases[static_cast<std::size_t>(phase_)];
  status.position = position_;
  const store::Seq next = store_.status(input_).next;
  status.backlog = next > position_ ? next - position_ : 0;
  status.records_in = in_.value();
  status.records_out = out_.value();
  status.errors = errors_.value();
  status.dead_letters = dead_letters_.value();
  status.last_error = last_error_;
  return status;
}

}  // namespace tg::plugin_host
