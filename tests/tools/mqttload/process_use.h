// What processes have used so far, from /proc; and time.
#pragma once

#include <cstdint>
#include <vector>

namespace tg::load {

struct ProcessUse {
  std::uint64_t cpu_ns = 0;  // of all threads, by the scheduler's accounts
  std::uint64_t rss_kb = 0;
  std::uint64_t switches = 0;  // of context, both kinds
};

[[nodiscard]] ProcessUse use_of(const std::vector<int>& pids);
[[nodiscard]] std::uint64_t own_cpu_ns();
[[nodiscard]] std::uint64_t now_ns();

}  // namespace tg::load
