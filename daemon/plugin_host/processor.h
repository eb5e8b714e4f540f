// One processor: reads its stream through a cursor, gives records to its worker, and puts what
// comes back into the store: outputs, state and position in one handler of the loop, hence one
// transaction.
//
// Order: one batch in the worker at a time; its transaction may still be committing while the next
//   batch is worked on.
// No room: when the output stream takes nothing, the transaction waits and no batch follows.
// Failure: a call that fails is undone: the instance is made anew from the committed state and the
//   batch comes once more. Failing again, its records come one by one, and what fails alone becomes
//   a dead letter (TEL-9). After kFailuresToBlock in a row, of records or of the timer, the
//   processor is blocked: nothing more is read, for the plugin is wrong and not the records; until
//   unblock() or a restart.
// What the plugin says it cannot handle becomes a dead letter with its call. Only when the queue
//   takes some of a call's letters and not all at once may those come twice, after a stop or crash.
// Would block: the plugin has no room where it writes to; the same call comes again each second.
// Sinks emit nothing and have no output.
// Paused by the operator: no batch and no timer follows the one in hand; time stands still.
// Set back it cannot be: its state has been committed with its position.
// Timers: run on the time of the stream: while records wait, time stands at the last record
// handled.
//
// Thread: the loop's. Owner: PluginHost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/pipeline/dead_letters.h"
#include "daemon/plugin_host/worker.h"
#include "daemon/store/store.h"

namespace tg::plugin_host {

struct ProcessorOptions {
  std::string name;
  std::string plugin;
  std::string input;   // stream
  std::string output;  // stream; empty for a sink
  std::string config_json;
  std::int64_t stop_ms = 5000;
  bool operator==(const ProcessorOptions&) const = default;
};

struct ProcessorStatus {
  std::string name;
  std::string plugin;
  std::string version;
  std::string state;  // starting | running | paused | waiting | blocked | failed | stopped
  store::Seq position = 1;
  std::uint64_t backlog = 0;
  std::uint64_t records_in = 0;
  std::uint64_t records_out = 0;
  std::uint64_t errors = 0;  // failed calls
  std::uint64_t dead_letters = 0;
  std::string last_error;
};

class Processor {
 public:
  static constexpr int kFailuresToBlock = 5;

  // The store, clock and timers outlive the processor; so does the plugin's table.
  Processor(ProcessorOptions options, const tidegate_plugin* plugin, store::Store& store,
            const Clock& clock, Timers& timers, Post post, Metrics& metrics,
            pipeline::Letters letters);
  ~Processor();
  Processor(const Processor&) = delete;
  Processor& operator=(const Processor&) = delete;

  void start();
  void on_advanced();
  // No further batch; done runs once what is in hand has been put into the store, or stop_ms later.
  void stop(Task done);
  // The operator has mended what it was blocked for, or failed at.
  void unblock();
  [[nodiscard]] const std::string& input() const { return options_.input; }
  [[nodiscard]] const ProcessorOptions& options() const { return options_; }
  [[nodiscard]] ProcessorStatus status() const;

 private:
  enum class Phase : std::uint8_t { kStarting, kRunning, kWaiting, kBlocked, kFailed, kStopped };

  void restore();
  void restored(Result<Transaction> made);
  // Gives the worker its next job, if it has none.
  void pump();
  void read();
  void take(store::Chunk chunk);
  // Gives what is in hand to the worker.
  void handle();
  [[nodiscard]] std::size_t in_hand() const;
  void handled(Transaction done);
  void fire_timer(std::int64_t now_ms);
  // True when the transaction is in the store's open group.
  bool apply(Transaction& done);
  [[nodiscard]] store::Admission admit(const Transaction& done);
  void append(const Transaction& done);
  void retry_apply(Transaction done);
  void retry_call(const std::string& said);
  void failed_call(const std::string& reason);
  void make_anew();
  // The record in hand becomes a dead letter.
  void give_up(const std::string& reason);
  void block();
  // False: no room for it now.
  [[nodiscard]] bool letter(std::size_t record, const std::string& reason, std::uint64_t attempts);
  // So many of the chunk have been settled.
  void pass(std::size_t records);
  void note_error(std::string text);
  void end_stop();
  // Drops answers that come after the end.
  template <class F>
  auto guarded(F call);

  const ProcessorOptions options_;
  const tidegate_plugin* const plugin_;
  store::Store& store_;
  const Clock& clock_;
  Timers& timers_;
  const store::StreamId input_;
  const std::optional<store::StreamId> output_;  // absent for a sink
  const store::ReaderId reader_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);

  Phase phase_ = Phase::kStarting;
  bool busy_ = false;         // a read or a job is under way
  bool again_ = false;        // the chunk in hand comes for the second time
  bool one_by_one_ = false;   // it has failed twice
  bool has_no_room_ = false;  // the plugin had no room at the last call
  bool stopping_ = false;
  std::shared_ptr<const store::Chunk> chunk_;
  std::size_t settled_ = 0;            // of its records
  std::int64_t first_failure_ms_ = 0;  // of it, wall clock
  int given_up_ = 0;                   // dead letters in a row
  int failed_timers_ = 0;              // calls in a row
  store::Seq position_ = 1;            // behind what has been put into the store
  std::int64_t stream_ms_ = 0;         // time of the last record handled
  std::int64_t timer_ms_ = 0;          // what the plugin asked for; 0 = none
  TimerId wake_ = 0;
  Task stopped_;
  std::string last_error_;
  Counter in_;
  Counter out_;
  Counter errors_;
  Counter dropped_;
  Counter dead_letters_;
  Gauge blocked_;
  const pipeline::Letters letters_;

  Worker worker_;
};

}  // namespace tg::plugin_host
