#include "tests/tools/mqttload/process_use.h"

#include <time.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tg::load {
namespace {

std::uint64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t status_field(const std::filesystem::path& status, const std::string& name) {
  std::ifstream file(status);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size()));
  }
  return 0;
}

void add_thread(const std::filesystem::path& thread, ProcessUse& use) {
  std::uint64_t cpu_ns = 0;
  std::ifstream(thread / "schedstat") >> cpu_ns;
  use.cpu_ns += cpu_ns;
  use.switches += status_field(thread / "status", "voluntary_ctxt_switches:") +
                  status_field(thread / "status", "nonvoluntary_ctxt_switches:");
}

}  // namespace

ProcessUse use_of(const std::vector<int>& pids) {
  ProcessUse use;
  for (const int pid : pids) {
    const auto process = std::filesystem::path("/proc") / std::to_string(pid);
    std::error_code gone;
    for (const auto& thread : std::filesystem::directory_iterator(process / "task", gone)) {
      add_thread(thread.path(), use);
    }
    use.rss_kb += status_field(process / "status", "VmRSS:");
  }
  return use;
}

std::uint64_t own_cpu_ns() { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }
std::uint64_t now_ns() { return clock_ns(CLOCK_MONOTONIC); }

}  // namespace tg::load
