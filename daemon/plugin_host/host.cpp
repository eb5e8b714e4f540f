#include "daemon/plugin_host/host.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "daemon/plugin_host/loader.h"

namespace tg::plugin_host {

Result<std::unique_ptr<PluginHost>> PluginHost::load(std::vector<ProcessorOptions> options,
                                                     const std::vector<std::string>& paths,
                                                     store::Store& store, const Clock& clock,
                                                     Timers& timers, const Post& post,
                                                     Metrics& metrics,
                                                     const pipeline::Letters& letters) {
  auto planned = plan(std::move(options), paths);
  if (!planned) return tl::unexpected(planned.error());
  std::unique_ptr<PluginHost> host(new PluginHost(store, clock, timers, post, metrics, letters));
  for (auto& item : *planned) {
    host->processors_.push_back(host->make(std::move(item)));
  }
  return host;
}

std::unique_ptr<Processor> PluginHost::make(Planned planned) {
  return std::make_unique<Processor>(std::move(planned.options), planned.plugin, store_, clock_,
                                     timers_, post_, metrics_, letters_);
}

Result<std::vector<PluginHost::Planned>> PluginHost::plan(std::vector<ProcessorOptions> options,
                                                          const std::vector<std::string>& paths) {
  std::vector<Planned> planned;
  for (auto& item : options) {
    const auto plugin = load_plugin(item.plugin, paths);
    if (!plugin) {
      return fail(plugin.error().code,
                  fmt::format("processor {}: {}", item.name, plugin.error().message));
    }
    const bool emits = (*plugin)->kind == TIDEGATE_PROCESSOR;
    if (emits == item.output.empty()) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("processor {}: plugin {} {}", item.name, item.plugin,
                              emits ? "needs an output" : "is a sink: it has no output"));
    }
    planned.push_back({std::move(item), *plugin});
  }
  return planned;
}

Result<PluginHost::Change> PluginHost::prepare_change(std::vector<ProcessorOptions> next,
                                                      const std::vector<std::string>& paths) {
  auto planned = plan(std::move(next), paths);
  if (!planned) return tl::unexpected(planned.error());
  return Change(
      [this, planned = std::move(*planned)](Task done) { change(planned, std::move(done)); });
}

void PluginHost::change(std::vector<Planned> next, Task done) {
  const auto stays = [&next](const Processor& processor) {
    return std::any_of(next.begin(), next.end(),
                       [&](const auto& item) { return item.options == processor.options(); });
  };
  std::vector<Processor*> leaving;
  for (const auto& processor : processors_) {
    if (!stays(*processor)) leaving.push_back(processor.get());
  }
  // What they put into the store must be there when their successors read it.
  auto settled = [this, next = std::move(next), done = std::move(done)] {
    store_.after_commit([this, next, done] {
      settle(next);
      done();
    });
  };
  if (leaving.empty()) return settled();
  const auto left = std::make_shared<std::size_t>(leaving.size());
  for (Processor* processor : leaving) {
    processor->stop([left, settled] {
      if (--*left == 0) settled();
    });
  }
}

void PluginHost::settle(std::vector<Planned> next) {
  auto old = std::exchange(processors_, {});
  for (auto& item : next) {
    const auto at = std::find_if(old.begin(), old.end(), [&item](const auto& processor) {
      return processor != nullptr && processor->options() == item.options;
    });
    if (at != old.end()) {
      processors_.push_back(std::move(*at));
    } else {
      processors_.push_back(make(std::move(item)));
      processors_.back()->start();
    }
  }
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

bool PluginHost::unblock(std::string_view name) {
  const auto at =
      std::find_if(processors_.begin(), processors_.end(),
                   [name](const auto& processor) { return processor->options().name == name; });
  if (at == processors_.end()) return false;
  (*at)->unblock();
  return true;
}

std::vector<ProcessorStatus> PluginHost::status() const {
  std::vector<ProcessorStatus> statuses;
  for (const auto& processor : processors_) statuses.push_back(processor->status());
  return statuses;
}

}  // namespace tg::plugin_host
