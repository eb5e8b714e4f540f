// The log: one line per event, `component: message`. Under a unit it goes to the journal with its
// fields (TIDEGATE_COMPONENT, and what the line names: TIDEGATE_CLIENT, TIDEGATE_STREAM,
// TIDEGATE_REASON …); elsewhere to stderr as text, with the time and the level. Levels are per
// component and may be changed at run time. Any thread. Written by spdlog and libsystemd, which
// stay inside log.cpp.
//
//   error = data lost or the operator is needed; warning = recovered; info = lifecycle,
//   connections; debug = packets. What a peer can trigger goes through a Limit.
//
// Limits: 500 lines in 10 s from one component, debug lines excepted; then one line says how many
// were left out.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tg::log {

enum class Level : std::uint8_t { kError = 0, kWarning = 1, kInfo = 2, kDebug = 3 };

[[nodiscard]] const char* to_string(Level level);
[[nodiscard]] std::optional<Level> parse_level(std::string_view text);

// What a line is about, for the journal: {"CLIENT", id} becomes TIDEGATE_CLIENT=id. The message
// says it too: text logs have nothing else.
struct Field {
  const char* name;  // upper case
  std::string_view value;
};
using Fields = std::initializer_list<Field>;

struct Slot;

// A component's own level. Define one per source group: `const log::Component kLog{"store"};`
class Component {
 public:
  explicit Component(const char* name);
  [[nodiscard]] const char* name() const { return name_; }
  [[nodiscard]] bool enabled(Level level) const;

 private:
  friend void write(const Component& component, Level level, std::string_view message,
                    Fields fields);
  const char* name_;
  Slot* slot_;
};

struct ComponentState {
  std::string name;
  Level level;          // what counts
  bool is_own = false;  // else the default
};
[[nodiscard]] std::vector<ComponentState> components();  // in order of their names

[[nodiscard]] Level default_level();
void set_default_level(Level level);
// False when no component has that name.
bool set_component_level(std::string_view component, Level level);
bool clear_component_level(std::string_view component);
// Ends what is buffered; called before exit.
void flush();

void write(const Component& component, Level level, std::string_view message, Fields fields);
inline void write(const Component& component, Level level, std::string_view message) {
  write(component, level, message, {});
}

template <class... Args>
void error(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  write(c, Level::kError, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(const Component& c, Fields fields, fmt::format_string<Args...> format, Args&&... args) {
  write(c, Level::kError, fmt::format(format, std::forward<Args>(args)...), fields);
}
template <class... Args>
void warning(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kWarning)) {
    write(c, Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void warning(const Component& c, Fields fields, fmt::format_string<Args...> format,
             Args&&... args) {
  if (c.enabled(Level::kWarning)) {
    write(c, Level::kWarning, fmt::format(format, std::forward<Args>(args)...), fields);
  }
}
template <class... Args>
void info(const Component& c, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kInfo)) {
    write(c, Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <class... Args>
void info(const Component& c, Fields fields, fmt::format_string<Args...> format, Args&&... args) {
  if (c.enabled(Level::kInfo)) {
    write(c, Level::kInfo, fmt::format(format, std::forward<Args>(args)...), fields);
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
