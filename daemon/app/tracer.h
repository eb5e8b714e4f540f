// Follows single messages through the gateway, for `tidegatectl trace`: intake → routes → stream →
// commit → every reader of the stream (an export: in which batch, acknowledged; a processor:
// handled), and why it went no further.
//
//   Intake side: wiring tells begin() for each publish while somebody waits for its topic; the
//   trace that comes back is told what happens to it. Without a waiter this costs one comparison a
//   publish.
//   Reader side: looked at every 100 ms.
//
// Whoever waits for a topic when a message comes follows that message: one trace, several reports.
//
// Thread: the loop's. Limits: 8 wait or follow at once, each until its time limit at the latest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/timers.h"
#include "daemon/store/store.h"

namespace tg::app {

class Tracer {
 public:
  struct Step {
    std::int64_t after_us = 0;  // since the message came in
    std::string stage;          // intake, route, stream, commit, reader
    std::string text;
  };
  struct Report {
    bool is_matched = false;  // a message came
    bool is_complete = false;
    std::string topic;
    std::string outcome;
    std::vector<Step> steps;
  };
  using Done = std::function<void(Report)>;

  // Where a reader is with a record.
  struct Progress {
    bool is_done = false;
    std::string text;
  };
  using ReaderProgress = std::function<Progress(const store::ReaderStatus& reader, store::Seq seq)>;

  // A message being followed; told by the wiring.
  class Trace;

  Tracer(const Clock& clock, Timers& timers, ReaderProgress progress);
  ~Tracer();
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;

  using WaitId = std::uint64_t;  // 0 = none

  // The next message whose topic matches the filter. 0 when 8 wait or follow already.
  [[nodiscard]] WaitId wait(std::string filter, std::int64_t limit_ms, Done done);
  // It is told nothing more. One that has ended, or 0, is left alone.
  void cancel(WaitId id);

  [[nodiscard]] bool is_waiting() const { return waiting_ > 0; }
  // Null when nobody waits for that topic.
  [[nodiscard]] std::shared_ptr<Trace> begin(std::string_view topic);

  // The intake's part of the story.
  static void step(const std::shared_ptr<Trace>& trace, std::string stage, std::string text);
  // It went no further, for this reason.
  void end(const std::shared_ptr<Trace>& trace, const std::string& outcome);
  // It is in that stream; its readers are looked at from its commit on. sender_waits: its
  // acknowledgement comes with the commit.
  void stored(const std::shared_ptr<Trace>& trace, store::Store& store, store::StreamId stream,
              store::Seq seq, bool sender_waits);

 private:
  struct Waiter;

  void look(store::Store& store);
  [[nodiscard]] bool look_at(Trace& trace, store::Store& store);
  void time_out(WaitId id);
  // It is in the list no more.
  [[nodiscard]] std::optional<Waiter> take(WaitId id);

  const Clock& clock_;
  Timers& timers_;
  const ReaderProgress progress_;
  std::vector<Waiter> waiters_;  // oldest first
  std::size_t waiting_ = 0;      // those without a message
  WaitId last_id_ = 0;
  TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace tg::app
