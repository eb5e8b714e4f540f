// All plugin instances of the gateway.
//
// Thread: the loop's. The store, clock, timers and metrics outlive it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/plugin_host/processor.h"

namespace tg::plugin_host {

class PluginHost {
 public:
  // Loads every plugin and makes its processor; nothing runs yet. The error names the instance.
  static Result<std::unique_ptr<PluginHost>> load(std::vector<ProcessorOptions> options,
                                                  const std::vector<std::string>& paths,
                                                  store::Store& store, const Clock& clock,
                                                  Timers& timers, const Post& post,
                                                  Metrics& metrics);

  void start();
  void on_advanced(store::StreamId stream);
  // done runs once, when every processor has stopped.
  void stop(Task done);
  [[nodiscard]] std::vector<ProcessorStatus> status() const;

 private:
  explicit PluginHost(store::Store& store) : store_(store) {}

  store::Store& store_;
  std::vector<std::unique_ptr<Processor>> processors_;
};

}  // namespace tg::plugin_host
