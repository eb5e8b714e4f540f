// One plugin instance on a thread of its own. The loop gives it one job at a time; each job answers
// with the transaction that the plugin made: outputs, state, its timer.
//
// Thread: start(), process() … are the loop's; answers are posted to it. The plugin's code runs on
//   the worker's thread only.
// End: the destructor waits stop_ms for the job in hand; a plugin that does not return is left
//   behind with all it may touch, which the thread shares in owning.
#pragma once

#include <tidegate/plugin.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/post.h"
#include "daemon/base/result.h"
#include "daemon/store/store.h"

namespace tg::plugin_host {

struct Output {
  std::string topic;
  std::string payload;
  std::int64_t time_ms = 0;  // 0 = now
  std::uint8_t qos = 0;
  bool retain = false;
};

using StateEntries = std::vector<std::pair<std::string, std::string>>;

struct Transaction {
  bool ok = false;
  bool would_block = false;  // the same call is to come again
  bool is_timer = false;     // of a timer's call
  std::string last_line;     // that the plugin logged in the call
  std::vector<Output> outputs;
  StateEntries state;  // in the order in which they were put
  std::uint64_t dropped = 0;
  std::vector<std::size_t> dead;  // the records that the plugin cannot handle, the last one first
  std::int64_t timer_ms = 0;      // 0 = none
};

class Worker {
 public:
  using Answer = std::function<void(Transaction)>;

  Worker(std::string name, const tidegate_plugin* plugin, std::string config_json,
         const Clock& clock, Post post, std::int64_t stop_ms);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Makes the instance from its state; an instance that exists is destroyed first.
  void start(StateEntries state, std::function<void(Result<Transaction>)> answer);
  // `count` records of the chunk, from `first` on.
  void process(std::shared_ptr<const store::Chunk> chunk, std::size_t first, std::size_t count,
               Answer answer);
  void timer(std::int64_t now_ms, Answer answer);
  void drain(Answer answer);

 private:
  struct Core;
  std::shared_ptr<Core> core_;
};

}  // namespace tg::plugin_host
