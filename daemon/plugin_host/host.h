// All plugin instances of the gateway.
//
// Thread: the loop's. The store, clock, timers and metrics outlive it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
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
                                                  Metrics& metrics,
                                                  const pipeline::Letters& letters);

  void start();
  void on_advanced(store::StreamId stream);
  // done runs once, when every processor has stopped.
  void stop(Task done);

  // A changed configuration: loads what is new and changes nothing yet. The change that comes back
  // stops what has gone or is different, then makes and starts the rest; processors that are the
  // same run on. By then the store knows their readers.
  using Change = std::function<void(Task done)>;
  Result<Change> prepare_change(std::vector<ProcessorOptions> next,
                                const std::vector<std::string>& paths);
  [[nodiscard]] std::vector<ProcessorStatus> status() const;
  // False when there is no such processor.
  [[nodiscard]] bool unblock(std::string_view name);

 private:
  struct Planned {
    ProcessorOptions options;
    const tidegate_plugin* plugin;
  };

  PluginHost(store::Store& store, const Clock& clock, Timers& timers, Post post, Metrics& metrics,
             pipeline::Letters letters)
      : store_(store),
        clock_(clock),
        timers_(timers),
        post_(std::move(post)),
        metrics_(metrics),
        letters_(std::move(letters)) {}

  static Result<std::vector<Planned>> plan(std::vector<ProcessorOptions> options,
                                           const std::vector<std::string>& paths);
  [[nodiscard]] std::unique_ptr<Processor> make(Planned planned);
  void change(std::vector<Planned> next, Task done);
  // Those that are in `next` as they are.
  void settle(std::vector<Planned> next);

  store::Store& store_;
  const Clock& clock_;
  Timers& timers_;
  const Post post_;
  Metrics& metrics_;
  const pipeline::Letters letters_;
  std::vector<std::unique_ptr<Processor>> processors_;
};

}  // namespace tg::plugin_host
