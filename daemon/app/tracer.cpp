#include "daemon/app/tracer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "local-broker/mqtt/topic.h"

namespace tg::app {
namespace {

constexpr std::size_t kMaxWaiters = 8;
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

  Trace(const Clock& clock, std::string_view topic) : clock_(clock), begin_us_(clock.mono_us()) {
    report_.is_matched = true;
    report_.topic = topic;
  }

  void step(std::string stage, std::string text) {
    report_.steps.push_back({clock_.mono_us() - begin_us_, std::move(stage), std::move(text)});
  }

  const Clock& clock_;
  const std::int64_t begin_us_;
  Report report_;
  std::vector<Stored> stored_;
};

struct Tracer::Waiter {
  WaitId id;
  std::string filter;
  Done done;
  TimerId limit;
  std::shared_ptr<Trace> trace;  // null = no message yet

  void tell(std::string outcome) const {
    Report report = trace != nullptr ? trace->report_ : Report();
    report.outcome = std::move(outcome);
    done(std::move(report));
  }
};

Tracer::Tracer(const Clock& clock, Timers& timers, ReaderProgress progress)
    : clock_(clock), timers_(timers), progress_(std::move(progress)) {}

Tracer::~Tracer() {
  *alive_ = false;
  timers_.cancel(timer_);
  for (const auto& waiter : waiters_) timers_.cancel(waiter.limit);
}

Tracer::WaitId Tracer::wait(std::string filter, std::int64_t limit_ms, Done done) {
  if (waiters_.size() >= kMaxWaiters) return 0;
  const WaitId id = ++last_id_;
  const TimerId limit = timers_.after(limit_ms, [this, id] { time_out(id); });
  waiters_.push_back({id, std::move(filter), std::move(done), limit, nullptr});
  ++waiting_;
  return id;
}

void Tracer::cancel(WaitId id) { static_cast<void>(take(id)); }

std::optional<Tracer::Waiter> Tracer::take(WaitId id) {
  const auto at = std::find_if(waiters_.begin(), waiters_.end(),
                               [id](const auto& waiter) { return waiter.id == id; });
  if (at == waiters_.end()) return std::nullopt;
  Waiter waiter = std::move(*at);
  waiters_.erase(at);
  timers_.cancel(waiter.limit);
  if (waiter.trace == nullptr) --waiting_;
  return waiter;
}

std::shared_ptr<Tracer::Trace> Tracer::begin(std::string_view topic) {
  std::shared_ptr<Trace> trace;
  for (auto& waiter : waiters_) {
    if (waiter.trace != nullptr || !mqtt::filter_matches(waiter.filter, topic)) continue;
    if (trace == nullptr) trace = std::make_shared<Trace>(clock_, topic);
    waiter.trace = trace;
    --waiting_;
  }
  return trace;
}

void Tracer::step(const std::shared_ptr<Trace>& trace, std::string stage, std::string text) {
  if (trace != nullptr) trace->step(std::move(stage), std::move(text));
}

void Tracer::end(const std::shared_ptr<Trace>& trace, const std::string& outcome) {
  if (trace == nullptr) return;
  // Who is told may begin another trace or take one back.
  std::vector<WaitId> followers;
  for (const auto& waiter : waiters_) {
    if (waiter.trace == trace) followers.push_back(waiter.id);
  }
  for (const WaitId id : followers) {
    if (const auto waiter = take(id)) waiter->tell(outcome);
  }
}

void Tracer::time_out(WaitId id) {
  const auto waiter = take(id);
  if (!waiter) return;
  if (waiter->trace == nullptr) {
    return waiter->tell(fmt::format("no message on {} in that time", waiter->filter));
  }
  waiter->tell("still on its way: the last step says what it waits for");
}

void Tracer::stored(const std::shared_ptr<Trace>& trace, store::Store& store,
                    store::StreamId stream, store::Seq seq, bool sender_waits) {
  if (trace == nullptr) return;
  trace->step("stream", fmt::format("{}: record {}", store.status(stream).name, seq));
  trace->stored_.push_back({stream, seq, false, {}});
  const std::size_t index = trace->stored_.size() - 1;
  store.after_commit([this, trace, index, sender_waits, &store, alive = alive_] {
    if (!*alive) return;
    auto& record = trace->stored_[index];
    record.is_committed = true;
    trace->step("commit", fmt::format("{}: on disk{}", store.status(record.stream).name,
                                      sender_waits ? ", acknowledged to the sender" : ""));
    if (timer_ == 0) look(store);
  });
}

void Tracer::look(store::Store& store) {
  timer_ = 0;
  // Ending one changes the list.
  std::vector<std::shared_ptr<Trace>> traces;
  for (const auto& waiter : waiters_) {
    if (waiter.trace == nullptr || waiter.trace->stored_.empty()) continue;
    if (std::find(traces.begin(), traces.end(), waiter.trace) == traces.end()) {
      traces.push_back(waiter.trace);
    }
  }
  for (const auto& trace : traces) {
    if (!look_at(*trace, store)) continue;
    trace->report_.is_complete = true;
    end(trace, "every reader has it");
  }
  if (!waiters_.empty()) {
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
