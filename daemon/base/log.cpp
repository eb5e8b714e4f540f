#include "daemon/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tg::log {
namespace {

constexpr std::uint8_t kInherit = 0xff;

struct Levels {
  std::mutex mutex;  // guards the map; the values are atomics and live for ever
  std::map<std::string, std::unique_ptr<std::atomic<std::uint8_t>>, std::less<>> components;
  std::atomic<std::uint8_t> standard{static_cast<std::uint8_t>(Level::kInfo)};
};

// The one process-wide object of this floor: components are static and register before main.
Levels& levels() {
  static auto* instance = new Levels;
  return *instance;
}

// <N> is read by the journal as the priority of the line.
class PriorityFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& msg, const std::tm&,
              spdlog::memory_buf_t& dest) override {
    const char* text = msg.level == spdlog::level::err    ? "<3>"
                       : msg.level == spdlog::level::warn ? "<4>"
                       : msg.level == spdlog::level::info ? "<6>"
                                                          : "<7>";
    dest.append(text, text + 3);
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PriorityFlag>();
  }
};

spdlog::logger& logger() {
  static auto* instance = [] {
    auto* made = new spdlog::logger("tidegate", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    if (std::getenv("JOURNAL_STREAM") != nullptr) {
      auto formatter = std::make_unique<spdlog::pattern_formatter>();
      formatter->add_flag<PriorityFlag>('*').set_pattern("%*%v");
      made->set_formatter(std::move(formatter));
    } else {
      made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-7l%$ %v");
    }
    return made;
  }();
  return *instance;
}

}  // namespace

Component::Component(const char* name) : name_(name) {
  const std::lock_guard lock(levels().mutex);
  auto& slot = levels().components[name];
  if (!slot) slot = std::make_unique<std::atomic<std::uint8_t>>(kInherit);
  level_ = slot.get();
}

bool Component::enabled(Level level) const {
  std::uint8_t limit = level_->load(std::memory_order_relaxed);
  if (limit == kInherit) limit = levels().standard.load(std::memory_order_relaxed);
  return static_cast<std::uint8_t>(level) <= limit;
}

void set_default_level(Level level) {
  levels().standard.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

bool set_component_level(std::string_view component, Level level) {
  const std::lock_guard lock(levels().mutex);
  const auto found = levels().components.find(component);
  if (found == levels().components.end()) return false;
  found->second->store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
  return true;
}

void flush() { logger().flush(); }

void write(const Component& component, Level level, std::string_view message) {
  static constexpr spdlog::level::level_enum kLevels[] = {
      spdlog::level::err, spdlog::level::warn, spdlog::level::info, spdlog::level::debug};
  logger().log(kLevels[static_cast<std::size_t>(level)], "{}: {}", component.name(), message);
}

bool Limit::allow(std::int64_t mono_ms) {
  if (mono_ms - window_start_ms_ >= interval_ms_) {
    window_start_ms_ = mono_ms;
    used_ = 0;
  }
  if (used_ < burst_) {
    ++used_;
    return true;
  }
  ++suppressed_;
  return false;
}

}  // namespace tg::log
