#include "daemon/app/system.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <system_error>

namespace tg::app {
namespace {

namespace fs = std::filesystem;

std::int64_t rss_bytes() {
  std::ifstream input("/proc/self/statm");
  std::int64_t size = 0;
  std::int64_t resident = 0;
  if (!(input >> size >> resident)) return -1;
  return resident * ::sysconf(_SC_PAGESIZE);
}

double cpu_seconds() {
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) != 0) return -1;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

std::int64_t memory_available_bytes() {
  std::ifstream input("/proc/meminfo");
  std::string name;
  std::int64_t kib = 0;
  std::string unit;
  while (input >> name >> kib) {
    if (name == "MemAvailable:") return kib * 1024;
    std::getline(input, unit);
  }
  return -1;
}

std::int64_t open_files() {
  std::error_code error;
  std::int64_t count = -1;  // the listing itself is one of them
  for (fs::directory_iterator at("/proc/self/fd", error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    ++count;
  }
  return count;
}

}  // namespace

SystemFigures read_system(const fs::path& data_dir) {
  SystemFigures figures;
  struct statvfs disk {};
  if (::statvfs(data_dir.c_str(), &disk) == 0) {
    figures.disk_free_bytes = static_cast<std::int64_t>(disk.f_bavail * disk.f_frsize);
    figures.disk_total_bytes = static_cast<std::int64_t>(disk.f_blocks * disk.f_frsize);
  }
  figures.rss_bytes = rss_bytes();
  figures.cpu_seconds = cpu_seconds();
  figures.open_files = open_files();
  figures.memory_available_bytes = memory_available_bytes();
  if (::getloadavg(&figures.load, 1) != 1) figures.load = -1;
  return figures;
}

}  // namespace tg::app
