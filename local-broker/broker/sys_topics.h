// The $SYS topics, by the names that mosquitto's users know. A topic is published when its value
// has changed, and retained. Load averages are a minute's events, over 1, 5 and 15 minutes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace tg::broker {

// Events of which $SYS tells the load; the order is that of the table in sys_topics.cpp.
inline constexpr std::size_t kLoads = 9;

// What is remembered from one publication to the next.
struct SysTopics {
  std::unordered_map<std::string, std::string> said;
  std::array<std::uint64_t, kLoads> counted{};
  std::array<std::array<double, 3>, kLoads> loads{};
  std::int64_t loads_at_ms = 0;
};

}  // namespace tg::broker
