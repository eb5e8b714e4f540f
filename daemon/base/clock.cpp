#include "daemon/base/clock.h"

#include <sys/timex.h>
#include <time.h>

#include <fstream>

namespace tg {
namespace {

std::int64_t read_us(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
}

ClockQuality kernel_quality() {
  timex state{};
  const int rc = adjtimex(&state);
  return rc != -1 && (state.status & STA_UNSYNC) == 0 ? ClockQuality::kSynchronised
                                                      : ClockQuality::kUnsynchronised;
}

}  // namespace

Timestamp SystemClock::now() const {
  const std::int64_t mono = mono_ms();
  if (mono - quality_checked_ms_ >= 1000) {
    quality_ = kernel_quality();
    quality_checked_ms_ = mono;
  }
  return {read_us(CLOCK_REALTIME) / 1000, mono, quality_};
}

std::int64_t SystemClock::mono_us() const { return read_us(CLOCK_BOOTTIME); }

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? "unknown" : id;
}

}  // namespace tg
