#include "daemon/plugin_host/host.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/plugin_host/loader.h"

namespace tg::plugin_host {

Result<std::unique_ptr<PluginHost>> PluginHost::load(std::vector<ProcessorOptions> options,
                                                     const std::vector<std::string>& paths,
                                                     store::Store& store, const Clock& clock,
                                                     Timers& timers, const Post& post,
                                                     Metrics& metrics) {
  std::unique_ptr<PluginHost> host(new PluginHost(store));
  for (auto& item : options) {
    const auto plugin = load_plugin(item.plugin, paths);
    if (!plugin) {
      return fail(plugin.error().code,
                  fmt::format("processor {}: {}", item.name, plugin.error().message));
    }
    host->processors_.push_back(
        std::make_unique<Processor>(std::move(item), *plugin, store, clock, timers, post, metrics));
  }
  return host;
}

void PluginHost::start() {
  for (const auto& processor : processors_) processor->start();
}

void PluginHost::on_advanced(store::StreamId stream) {
  for (const auto& processor : processors_) {
    if (store_.find_stream(processor->input()) == stream) processor->on_advanced();
  }
}

void PluginHost::stop(Task done) {
  // The last one to end runs it.
  const auto all = std::make_shared<Task>(std::move(done));
  const auto left = std::make_shared<std::size_t>(processors_.size());
  if (processors_.empty()) return (*all)();
  for (const auto& processor : processors_) {
    processor->stop([all, left] {
      if (--*left == 0) (*all)();
    });
  }
}

std::vector<ProcessorStatus> PluginHost::status() const {
  std::vector<ProcessorStatus> statuses;
  for (const auto& processor : processors_) statuses.push_back(processor->status());
  return statuses;
}

}  // namespace tg::plugin_host
