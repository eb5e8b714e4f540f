#include "daemon/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION  // ours would always be this file
#include <systemd/sd-journal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tg::log {

constexpr std::uint8_t kInherit = 0xff;
constexpr std::uint32_t kBurst = 500;
constexpr std::int64_t kIntervalMs = 10'000;

struct Slot {
  std::atomic<std::uint8_t> level{kInherit};
  std::mutex mutex;  // guards the limit
  Limit limit{kBurst, kIntervalMs};
};

namespace {

struct Levels {
  std::mutex mutex;  // guards the map; the slots live for ever
  std::map<std::string, std::unique_ptr<Slot>, std::less<>> components;
  std::atomic<std::uint8_t> standard{static_cast<std::uint8_t>(Level::kInfo)};
};

// The one process-wide object of this floor: components are static and register before main.
Levels& levels() {
  static auto* instance = new Levels;
  return *instance;
}

Slot* find_slot(std::string_view component) {
  const std::lock_guard lock(levels().mutex);
  const auto found = levels().components.find(component);
  return found == levels().components.end() ? nullptr : found->second.get();
}

std::uint8_t level_of(const Slot& slot) {
  const std::uint8_t own = slot.level.load(std::memory_order_relaxed);
  return own != kInherit ? own : levels().standard.load(std::memory_order_relaxed);
}

constexpr std::array<const char*, 4> kNames = {"error", "warning", "info", "debug"};

// JOURNAL_STREAM names the device and inode of the journal's pipe; a child that inherits the
// variable may have its stderr somewhere else.
bool stderr_is_the_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  if (stream == nullptr || ::fstat(STDERR_FILENO, &info) != 0) return false;
  return fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

// False when the journal cannot be reached.
bool write_to_journal(const char* component, Level level, std::string_view message, Fields fields) {
  static constexpr std::array<const char*, 4> kPriorities = {"3", "4", "6", "7"};
  std::vector<std::string> lines;
  lines.push_back(fmt::format("MESSAGE={}: {}", component, message));
  lines.push_back(fmt::format("PRIORITY={}", kPriorities[static_cast<std::size_t>(level)]));
  lines.push_back(fmt::format("TIDEGATE_COMPONENT={}", component));
  for (const auto& field : fields) {
    if (field.value.empty()) continue;
    lines.push_back(fmt::format("TIDEGATE_{}={}", field.name, field.value));
  }
  std::vector<iovec> parts;
  for (auto& line : lines) parts.push_back({line.data(), line.size()});
  return sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0;
}

spdlog::logger& logger() {
  static auto* instance = [] {
    auto* made = new spdlog::logger("tidegate", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(spdlog::level::trace);
    made->flush_on(spdlog::level::trace);
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e %^%-7l%$ %v");
    return made;
  }();
  return *instance;
}

void write_line(const char* component, Level level, std::string_view message, Fields fields) {
  static const bool to_journal = stderr_is_the_journal();
  if (to_journal && write_to_journal(component, level, message, fields)) return;
  static constexpr std::array<spdlog::level::level_enum, 4> kLevels = {
      spdlog::level::err, spdlog::level::warn, spdlog::level::info, spdlog::level::debug};
  logger().log(kLevels[static_cast<std::size_t>(level)], "{}: {}", component, message);
}

std::int64_t mono_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

const char* to_string(Level level) { return kNames[static_cast<std::size_t>(level)]; }

std::optional<Level> parse_level(std::string_view text) {
  const auto* at = std::find(kNames.begin(), kNames.end(), text);
  if (at == kNames.end()) return std::nullopt;
  return static_cast<Level>(at - kNames.begin());
}

Component::Component(const char* name) : name_(name) {
  const std::lock_guard lock(levels().mutex);
  auto& slot = levels().components[name];
  if (!slot) slot = std::make_unique<Slot>();
  slot_ = slot.get();
}

bool Component::enabled(Level level) const {
  return static_cast<std::uint8_t>(level) <= level_of(*slot_);
}

std::vector<ComponentState> components() {
  std::vector<ComponentState> all;
  const std::lock_guard lock(levels().mutex);
  for (const auto& [name, slot] : levels().components) {
    all.push_back({name, static_cast<Level>(level_of(*slot)), slot->level.load() != kInherit});
  }
  return all;
}

Level default_level() { return static_cast<Level>(levels().standard.load()); }

void set_default_level(Level level) {
  levels().standard.store(static_cast<std::uint8_t>(level), std::memory_order_relaxed);
}

bool set_component_level(std::string_view component, Level level) {
  Slot* slot = find_slot(component);
  if (slot != nullptr) slot->level.store(static_cast<std::uint8_t>(level));
  return slot != nullptr;
}

bool clear_component_level(std::string_view component) {
  Slot* slot = find_slot(component);
  if (slot != nullptr) slot->level.store(kInherit);
  return slot != nullptr;
}

void flush() { logger().flush(); }

void write(const Component& component, Level level, std::string_view message, Fields fields) {
  if (level != Level::kDebug) {
    std::uint64_t left_out = 0;
    {
      const std::lock_guard lock(component.slot_->mutex);
      if (!component.slot_->limit.allow(mono_ms())) return;
      left_out = component.slot_->limit.take_suppressed();
    }
    if (left_out > 0) {
      write_line(component.name(), Level::kWarning,
                 fmt::format("{} lines were left out: more than {} in {} s", left_out, kBurst,
                             kIntervalMs / 1000),
                 {});
    }
  }
  write_line(component.name(), level, message, fields);
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
