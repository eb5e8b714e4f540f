// The log: one line per event, `component: message key=value …`, to stderr (with systemd's <N>
// priorities under a unit, so the journal keeps the level). Levels are per component and may be
// changed at run time. Any thread. Written by spdlog, which stays inside log.cpp.
//
//   error = data lost or the operator is needed; warning = recovered; info = lifecycle,
//   connections; debug = packets. What a peer can trigger goes through a LogLimit.
#pragma once

#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

namespace tg::log {

enum class Level : std::uint8_t { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

// A component's own level. Define one per source group: `const log::Component kLog{"store"};`
class Component {
 public:
  explicit Component(const char* name);
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] bool enabled(Level level) const;

 private:
  const char* name_;
  std::atomic<std::uint8_t>* level_;
};

void set_default_level(Level level);
// False when no component has that name.
bool set_component_level(std::string_view component, Level level);
// Ends what is buffered; called before exit.
void flush();

void write(const Component& component, Level level, std::string_view message);

template <class... Args>
void error(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  write(c, Level::kError, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kWarning)) {
    write(c, Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void info(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kInfo)) {
    write(c, Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void debug(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kDebug)) {
    write(c, Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}

// At most `burst` lines per `interval_ms`; the next allowed line can say how many were suppressed.
class Limit {
 public:
  explicit Limit(std::uint32_t burst = 10, std::int64_t interval_ms = 10'000)
      : burst_(burst), interval_ms_(interval_ms) {}
  // True when the line may be written.
  [[nodiscard]] bool allow(std::int64_t mono_ms);
  // Lines kept back since the last call.
  [[nodiscard]] std::uint64_t take_suppressed() { return std::exchange(suppressed_, 0); }

 private:
  std::uint32_t burst_;
  std::int64_t interval_ms_;
  std::int64_t window_start_ms_ = -1'000'000'000;
  std::uint32_t used_ = 0;
  std::uint64_t suppressed_ = 0;
};

}  // namespace tg::log
