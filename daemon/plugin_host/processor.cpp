#include "daemon/plugin_host/processor.h"

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
                     const Clock& clock, Timers& timers, Post post, Metrics& metrics)
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
      worker_(options_.name, plugin, options_.config_json, clock, std::move(post),
              options_.stop_ms) {
  const MetricLabels labels{{"processor", options_.name}};
  in_ = metrics.counter("tidegate_processor_records_in_total", "Records handled", labels);
  out_ = metrics.counter("tidegate_processor_records_out_total", "Records written", labels);
  errors_ = metrics.counter("tidegate_processor_errors_total",
                            "Failed calls and records that could not be handled", labels);
  dropped_ = metrics.counter("tidegate_processor_dropped_total",
                             "Records dropped by the plugin or by a full output", labels);
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
  if (chunk_ != nullptr) {
    handle(chunk_);
  } else {
    pump();
  }
}

void Processor::on_advanced() { pump(); }

void Processor::pump() {
  if (busy_ || phase_ != Phase::kRunning) return;
  if (stopping_) return end_stop();
  timers_.cancel(wake_);
  wake_ = 0;
  if (store_.is_paused(reader_)) return;  // the end of it is told as new records are
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
                handle(std::make_shared<store::Chunk>(std::move(*chunk)));
              }));
}

void Processor::handle(std::shared_ptr<const store::Chunk> chunk) {
  busy_ = true;
  chunk_ = std::move(chunk);
  worker_.process(chunk_, guarded([this](Transaction done) { handled(std::move(done)); }));
}

void Processor::fire_timer(std::int64_t now_ms) {
  busy_ = true;
  worker_.timer(now_ms, guarded([this](Transaction done) { handled(std::move(done)); }));
}

void Processor::handled(Transaction done) {
  busy_ = false;
  if (done.would_block) return retry_call(done.last_line);
  if (std::exchange(is_blocked_, false)) log::info(kLog, "{}: goes on", options_.name);
  if (!done.ok) return failed_call();
  if (!apply(done)) return retry_apply(std::move(done));
  pump();
}

bool Processor::apply(const Transaction& done) {
  std::size_t bytes = 0;
  store::Record record;
  record.publisher = options_.name;
  for (const auto& output : done.outputs) {
    record.topic = output.topic;
    record.payload = output.payload;
    bytes += store::record_size_bound(record);
  }
  bool discard = false;
  if (bytes > 0) {
    switch (store_.admit({&*output_, 1}, bytes)) {
      case store::Admission::kYes:
        break;
      case store::Admission::kDiscard:
        discard = true;
        break;
      case store::Admission::kBusy:
      case store::Admission::kFull:
        return false;
    }
  }
  const Timestamp now = clock_.now();
  for (const auto& output : done.outputs) {
    if (discard) break;
    record.topic = output.topic;
    record.payload = output.payload;
    record.qos = output.qos;
    record.retain = output.retain;
    record.received = now;
    if (output.time_ms != 0) record.received.wall_ms = output.time_ms;
    store_.append(*output_, record);
  }
  for (const auto& [key, value] : done.state) store_.put_state(options_.name, key, value);
  if (discard) dropped_.add(done.outputs.size());
  if (!discard) out_.add(done.outputs.size());
  dropped_.add(done.dropped);
  errors_.add(done.dead);
  timer_ms_ = done.timer_ms;
  if (chunk_ == nullptr) return true;  // a timer's
  in_.add(chunk_->records.size());
  if (!chunk_->records.empty()) stream_ms_ = chunk_->records.back().received.wall_ms;
  position_ = chunk_->end();
  store_.advance(reader_, position_);
  chunk_ = nullptr;
  again_ = false;
  return true;
}

void Processor::retry_apply(Transaction done) {
  phase_ = Phase::kWaiting;
  if (stopping_) return end_stop();  // it comes again after the next start
  wake_ = timers_.after(kRetryMs, [this, done = std::move(done)] {
    phase_ = Phase::kRunning;
    if (!apply(done)) return retry_apply(done);
    pump();
  });
}

void Processor::retry_call(const std::string& reason) {
  phase_ = Phase::kWaiting;
  if (stopping_) return end_stop();  // it comes again after the next start
  if (!std::exchange(is_blocked_, true) || reason != last_error_) {
    note_error(reason.empty() ? "the plugin has no room" : reason);
  }
  wake_ = timers_.after(kRestartMs, [this] {
    phase_ = Phase::kRunning;
    if (chunk_ != nullptr) return handle(chunk_);
    pump();
  });
}

void Processor::failed_call() {
  note_error(again_ ? "a batch has failed twice" : "a call has failed; the instance is made anew");
  if (again_) pass_over();
  again_ = chunk_ != nullptr;
  phase_ = Phase::kStarting;
  busy_ = true;
  // What was put into the store before must be there when the state is read.
  store_.after_commit(guarded([this] { restore(); }));
}

void Processor::pass_over() {
  log::error(kLog, "{}: records {} to {} are passed over", options_.name, chunk_->first,
             chunk_->end() - 1);
  errors_.add(chunk_->records.size());
  position_ = chunk_->end();
  store_.advance(reader_, position_);
  chunk_ = nullptr;
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
  timers_.cancel(wake_);
  timers_.after(0, std::exchange(stopped_, nullptr));
}

ProcessorStatus Processor::status() const {
  static constexpr const char* kPhases[] = {"starting", "running", "waiting", "failed", "stopped"};
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
  status.last_error = last_error_;
  return status;
}

}  // namespace tg::plugin_host
