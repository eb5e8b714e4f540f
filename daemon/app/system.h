// What the gateway takes from the machine, and what the machine has left: disk, memory, CPU. Read
// from the kernel, cheap. What cannot be read is -1. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>

namespace tg::app {

struct SystemFigures {
  std::int64_t disk_free_bytes = -1;  // of the data directory's file system
  std::int64_t disk_total_bytes = -1;
  std::int64_t rss_bytes = -1;  // of this process
  double cpu_seconds = -1;      // of this process, since its start
  std::int64_t open_files = -1;
  std::int64_t memory_available_bytes = -1;  // of the machine
  double load = -1;                          // average of a minute
};

[[nodiscard]] SystemFigures read_system(const std::filesystem::path& data_dir);

}  // namespace tg::app
