#include "daemon/app/tracer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "local-broker/mqtt/topic.h"

namespace tg::app {
namespace {

constexpr std::size_t kMaxTraces = 8;
constexpr std::int64_t kLookMs = 100;

}  // namespace

class Tracer::Trace {
 public:
  // A record of the message; one a stream.
  struct Stored {
    store::StreamId stream;
    store::Seq seq;
    bool is_committed = false;
    std::map<std::string, std::string> told;  // by reader: what was said last
  };

  Trace(const Clock& clock, std::string filter, Done done)
      : clock_(clock), filter_(std::move(filter)), done_(std::move(done)) {}

  void step(std::string stage, std::string text) {
    report_.steps.push_back({clock_.mono_us() - begin_us_, std::move(stage), std::move(text)});
  }

  const Clock& clock_;
  const std::string filter_;
  const Done done_;
  Report report_;
  std::int64_t begin_us_ = 0;
  std::vector<Stored> stored_;
  TimerId limit_ = 0;
};

Tracer::Tracer(const Clock& clock, Timers& timers, ReaderProgress progress)
    : clock_(clock), timers_(timers), progress_(std::move(progress)) {}

Tracer::~Tracer() {
  *alive_ = false;
  timers_.cancel(timer_);
  for (const auto& trace : traces_) timers_.cancel(trace->limit_);
}

bool Tracer::wait(std::string filter, std::int64_t limit_ms, Done done) {
  if (traces_.size() >= kMaxTraces) return false;
  auto trace = std::make_shared<Trace>(clock_, std::move(filter), std::move(done));
  trace->limit_ = timers_.after(limit_ms, [this, trace] { time_out(trace); });
  traces_.push_back(std::move(trace));
  ++waiting_;
  return true;
}

std::shared_ptr<Tracer::Trace> Tracer::begin(std::string_view topic) {
  const auto at = std::find_if(traces_.begin(), traces_.end(), [topic](const auto& trace) {
    return !trace->report_.is_matched && mqtt::filter_matches(trace->filter_, topic);
  });
  if (at == traces_.end()) return nullptr;
  --waiting_;
  (*at)->report_.is_matched = true;
  (*at)->report_.topic = topic;
  (*at)->begin_us_ = clock_.mono_us();
  return *at;
}

void Tracer::step(const std::shared_ptr<Trace>& trace, std::string stage, std::string text) {
  if (trace != nullptr) trace->step(std::move(stage), std::move(text));
}

void Tracer::end(const std::shared_ptr<Trace>& trace, std::string outcome) {
  if (trace == nullptr) return;
  timers_.cancel(trace->limit_);
  if (!trace->report_.is_matched) --waiting_;
  traces_.remove(trace);
  trace->report_.outcome = std::move(outcome);
  trace->done_(std::move(trace->report_));
}

void Tracer::time_out(const std::shared_ptr<Trace>& trace) {
  if (!trace->report_.is_matched) {
    return end(trace, fmt::format("no message on {} in that time", trace->filter_));
  }
  end(trace, "still on its way: the last step says what it waits for");
}

void Tracer::stored(const std::shared_ptr<Trace>& trace, store::Store& store,
                    store::StreamId stream, store::Seq seq) {
  if (trace == nullptr) return;
  trace->step("stream", fmt::format("{}: record {}", store.status(stream).name, seq));
  trace->stored_.push_back({stream, seq, false, {}});
  const std::size_t index = trace->stored_.size() - 1;
  store.after_commit([this, trace, index, &store, alive = alive_] {
    if (!*alive) return;
    auto& record = trace->stored_[index];
    record.is_committed = true;
    trace->step("commit", fmt::format("{}: on disk, acknowledged to the sender",
                                      store.status(record.stream).name));
    if (timer_ == 0) look(store);
  });
}

void Tracer::look(store::Store& store) {
  timer_ = 0;
  // Ending one changes the list.
  const auto traces = traces_;
  for (const auto& trace : traces) {
    if (!trace->stored_.empty() && look_at(*trace, store)) {
      trace->report_.is_complete = true;
      end(trace, "every reader has it");
    }
  }
  if (!traces_.empty()) {
    timer_ = timers_.after(kLookMs, [this, &store] { look(store); });
  }
}

// True when the story is over.
bool Tracer::look_at(Trace& trace, store::Store& store) {
  bool is_over = true;
  for (auto& record : trace.stored_) {
    if (!record.is_committed) {
      is_over = false;
      continue;
    }
    const std::string name = store.status(record.stream).name;
    for (const auto& reader : store.readers()) {
      if (reader.stream != name) continue;
      auto progress = progress_(reader, record.seq);
      is_over = is_over && progress.is_done;
      auto& told = record.told[reader.name];
      if (told == progress.text) continue;
      trace.step("reader", fmt::format("{}: {}", reader.name, progress.text));
      told = std::move(progress.text);
    }
  }
  return is_over;
}

}  // namespace tg::app
