#include "daemon/plugin_host/worker.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>

#include "daemon/base/bounded_queue.h"
#include "daemon/base/log.h"
#include "daemon/base/thread_name.h"

namespace tg::plugin_host {
namespace {

const log::Component kLog{"plugin"};

constexpr std::size_t kMaxOutputs = 100'000;
constexpr std::size_t kMaxOutputBytes = 16 << 20;
constexpr std::size_t kMaxPayload = 128 * 1024;
constexpr std::size_t kMaxTopic = 65'535;
constexpr std::size_t kMaxKey = 1024;
constexpr std::size_t kMaxReason = 1024;
constexpr std::size_t kMaxValue = 64 * 1024;

// For the status and as a reason: short, and without what would end a line.
std::string one_line(std::string_view text) {
  std::string line(text.substr(0, kMaxReason));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return line;
}

std::string_view view(tidegate_slice slice) { return {slice.data, slice.size}; }
tidegate_slice slice(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

// What the worker's thread works on; shared with it so that it outlives a hanging plugin's host.
struct Worker::Core {
  Core(std::string the_name, const tidegate_plugin* table, std::string config_json,
       const Clock& the_clock, Post the_post, std::int64_t limit_ms)
      : name(std::move(the_name)),
        plugin(table),
        config(std::move(config_json)),
        clock(the_clock),
        post(std::move(the_post)),
        stop_ms(limit_ms) {
    host.size = sizeof host;
    host.abi_major = TIDEGATE_ABI_MAJOR;
    host.abi_minor = TIDEGATE_ABI_MINOR;
    host.self = this;
    host.instance_name = slice(name);
    host.log = [](void* self, tidegate_level level, tidegate_slice text) {
      static_cast<Core*>(self)->write_log(level, view(text));
    };
    host.emit = [](void* self, const tidegate_record* record) {
      return static_cast<Core*>(self)->emit(*record);
    };
    host.state_put = [](void* self, tidegate_slice key, tidegate_slice value) {
      return static_cast<Core*>(self)->put(view(key), view(value));
    };
    host.state_each = [](void* self, void* context,
                         void (*each)(void*, tidegate_slice, tidegate_slice)) {
      for (const auto& [key, value] : static_cast<Core*>(self)->restored) {
        each(context, slice(key), slice(value));
      }
      return TIDEGATE_OK;
    };
    host.set_timer = [](void* self, std::int64_t time_ms) {
      static_cast<Core*>(self)->timer_ms = time_ms;
    };
    host.now = [](void* self, std::uint32_t* synced) {
      const Timestamp now = static_cast<Core*>(self)->clock.now();
      if (synced != nullptr) *synced = now.quality == ClockQuality::kSynchronised ? 1 : 0;
      return now.wall_ms;
    };
  }

  void run();
  void write_log(tidegate_level level, std::string_view text);
  tidegate_status emit(const tidegate_record& record);
  tidegate_status put(std::string_view key, std::string_view value);
  Result<Transaction> create(StateEntries state);
  Transaction process(const store::Chunk& chunk, std::size_t first, std::size_t count);
  // Ends the call: what it made, if it went well.
  Transaction finish(tidegate_status status);
  void destroy();

  // Constant after construction.
  const std::string name;
  const tidegate_plugin* const plugin;
  const std::string config;
  const Clock& clock;
  const Post post;
  const std::int64_t stop_ms;
  tidegate_host host{};

  BoundedQueue<Task> jobs{8};

  // The worker thread's.
  tidegate_instance* instance = nullptr;
  StateEntries restored;
  Transaction open;
  std::size_t open_bytes = 0;
  std::int64_t timer_ms = 0;

  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  bool ended = false;
  std::string last_line;
  log::Limit log_limit{20, 10'000};
};

void Worker::Core::run() {
  name_thread("plugin:" + name);
  while (auto job = jobs.pop()) (*job)();
  destroy();
  {
    const std::lock_guard lock(mutex);
    ended = true;
  }
  changed.notify_all();
}

void Worker::Core::write_log(tidegate_level level, std::string_view text) {
  {
    const std::lock_guard lock(mutex);  // log() may be called from any thread of the plugin
    last_line = one_line(text);
    if (!log_limit.allow(clock.mono_ms())) return;
  }
  switch (level) {
    case TIDEGATE_ERROR:
      return log::error(kLog, "{}: {}", name, text);
    case TIDEGATE_WARNING:
      return log::warning(kLog, "{}: {}", name, text);
    case TIDEGATE_INFO:
      return log::info(kLog, "{}: {}", name, text);
    case TIDEGATE_DEBUG:
      return log::debug(kLog, "{}: {}", name, text);
  }
}

tidegate_status Worker::Core::emit(const tidegate_record& record) {
  if (plugin->kind == TIDEGATE_SINK) return TIDEGATE_REJECTED;
  const std::string_view topic = view(record.topic);
  const std::string_view payload = view(record.payload);
  if (topic.empty() || topic.size() > kMaxTopic || payload.size() > kMaxPayload ||
      topic.find_first_of(std::string_view("+#\0", 3)) != std::string_view::npos ||
      record.qos > 2) {
    return TIDEGATE_REJECTED;
  }
  if (open.outputs.size() >= kMaxOutputs || open_bytes + payload.size() > kMaxOutputBytes) {
    return TIDEGATE_WOULD_BLOCK;
  }
  open_bytes += topic.size() + payload.size();
  open.outputs.push_back({std::string(topic), std::string(payload), record.time_ms,
                          static_cast<std::uint8_t>(record.qos), record.retain != 0});
  return TIDEGATE_OK;
}

tidegate_status Worker::Core::put(std::string_view key, std::string_view value) {
  if (key.empty() || key.size() > kMaxKey || value.size() > kMaxValue) return TIDEGATE_REJECTED;
  open.state.emplace_back(key, value);
  return TIDEGATE_OK;
}

Transaction Worker::Core::finish(tidegate_status status) {
  Transaction done = std::exchange(open, {});
  open_bytes = 0;
  done.ok = status == TIDEGATE_OK;
  done.would_block = status == TIDEGATE_WOULD_BLOCK;
  done.timer_ms = timer_ms;
  const std::lock_guard lock(mutex);
  done.last_line = std::exchange(last_line, {});
  return done;
}

void Worker::Core::destroy() {
  if (instance != nullptr) plugin->destroy(std::exchange(instance, nullptr));
}

Result<Transaction> Worker::Core::create(StateEntries state) {
  destroy();
  restored = std::move(state);
  timer_ms = 0;
  char reason[512] = {};
  instance = plugin->create(&host, slice(config), reason, sizeof reason);
  restored.clear();
  auto made = finish(instance != nullptr ? TIDEGATE_OK : TIDEGATE_FAILED);
  if (instance != nullptr) return made;
  reason[sizeof reason - 1] = '\0';
  return fail(ErrorCode::kInvalid, reason[0] != '\0' ? reason : "the plugin gave no reason");
}

Transaction Worker::Core::process(const store::Chunk& chunk, std::size_t first, std::size_t count) {
  std::vector<tidegate_record> records;
  records.reserve(count);
  std::uint64_t seq = chunk.first + first;
  for (std::size_t i = first; i < first + count; ++i) {
    const store::Record& r = chunk.records[i];
    tidegate_record record{};
    record.size = sizeof record;
    record.qos = r.qos;
    record.seq = seq++;
    record.time_ms = r.received.wall_ms;
    record.synced = r.received.quality == ClockQuality::kSynchronised ? 1 : 0;
    record.retain = r.retain ? 1 : 0;
    record.publisher = slice(r.publisher);
    record.topic = slice(r.topic);
    record.payload = slice(r.payload);
    records.push_back(record);
  }
  std::vector<std::uint32_t> verdicts(records.size(), TIDEGATE_PASS);
  const tidegate_status status =
      plugin->process(instance, records.data(), records.size(), verdicts.data());
  for (std::size_t i = count; i-- > 0;) {
    if (verdicts[i] == TIDEGATE_DROP) ++open.dropped;
    if (verdicts[i] == TIDEGATE_DEAD_LETTER) open.dead.push_back(i);
  }
  return finish(status);
}

Worker::Worker(std::string name, const tidegate_plugin* plugin, std::string config_json,
               const Clock& clock, Post post, std::int64_t stop_ms)
    : core_(std::make_shared<Core>(std::move(name), plugin, std::move(config_json), clock,
                                   std::move(post), stop_ms)) {
  std::thread([core = core_] { core->run(); }).detach();
}

Worker::~Worker() {
  core_->jobs.close();
  std::unique_lock lock(core_->mutex);
  const bool ended = core_->changed.wait_for(lock, std::chrono::milliseconds(core_->stop_ms),
                                             [this] { return core_->ended; });
  if (!ended) {
    log::error(kLog, "{}: the plugin has not returned within {} ms and is left behind", core_->name,
               core_->stop_ms);
  }
}

void Worker::start(StateEntries state, std::function<void(Result<Transaction>)> answer) {
  auto job = [core = core_, state = std::move(state), answer = std::move(answer)]() mutable {
    auto made = std::make_shared<Result<Transaction>>(core->create(std::move(state)));
    core->post([made, answer] { answer(std::move(*made)); });
  };
  (void)core_->jobs.push(std::move(job));
}

void Worker::process(std::shared_ptr<const store::Chunk> chunk, std::size_t first,
                     std::size_t count, Answer answer) {
  (void)core_->jobs.push(
      [core = core_, chunk = std::move(chunk), first, count, answer = std::move(answer)] {
        auto done = std::make_shared<Transaction>(core->process(*chunk, first, count));
        core->post([done, answer] { answer(std::move(*done)); });
      });
}

void Worker::timer(std::int64_t now_ms, Answer answer) {
  (void)core_->jobs.push([core = core_, now_ms, answer = std::move(answer)] {
    const std::int64_t due_ms = std::exchange(core->timer_ms, 0);  // the plugin sets the next one
    const tidegate_status status =
        core->plugin->timer != nullptr ? core->plugin->timer(core->instance, now_ms) : TIDEGATE_OK;
    if (status == TIDEGATE_WOULD_BLOCK) core->timer_ms = due_ms;  // it comes again
    auto done = std::make_shared<Transaction>(core->finish(status));
    done->is_timer = true;
    core->post([done, answer] { answer(std::move(*done)); });
  });
}

void Worker::drain(Answer answer) {
  (void)core_->jobs.push([core = core_, answer = std::move(answer)] {
    const bool can_drain = core->instance != nullptr && core->plugin->drain != nullptr;
    auto done = std::make_shared<Transaction>(
        core->finish(can_drain ? core->plugin->drain(core->instance) : TIDEGATE_OK));
    core->post([done, answer] { answer(std::move(*done)); });
  });
}

}  // namespace tg::plugin_host
