// Time as the gateway sees it. A stored time is {wall, boot, monotonic, quality}: the wall clock
// may be wrong until it is synchronised, the monotonic one is right within a boot. Code asks the
// Clock it was given, never the system, so that tests run on a FakeClock.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tg {

enum class ClockQuality : std::uint8_t { kUnsynchronised = 0, kSynchronised = 1 };

struct Timestamp {
  std::int64_t wall_ms = 0;  // since 1970 UTC, as the clock stood
  std::int64_t mono_ms = 0;  // since boot, CLOCK_BOOTTIME: runs on through suspend
  ClockQuality quality = ClockQuality::kUnsynchronised;
};

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
  [[nodiscard]] virtual std::int64_t mono_us() const = 0;
  [[nodiscard]] std::int64_t mono_ms() const { return mono_us() / 1000; }
};

// The kernel's clocks. Quality comes from adjtimex (STA_UNSYNC), looked at once a second.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] std::int64_t mono_us() const override;

 private:
  mutable std::atomic<std::int64_t> quality_checked_ms_{-1'000'000};
  mutable std::atomic<ClockQuality> quality_{ClockQuality::kUnsynchronised};
};

// /proc/sys/kernel/random/boot_id, or "unknown".
[[nodiscard]] std::string boot_id();

class FakeClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override {
    return {wall_us_ / 1000, mono_us_ / 1000, quality_};
  }
  [[nodiscard]] std::int64_t mono_us() const override { return mono_us_; }

  void advance_ms(std::int64_t ms) {
    wall_us_ += ms * 1000;
    mono_us_ += ms * 1000;
  }
  void step_wall_ms(std::int64_t ms) { wall_us_ += ms * 1000; }
  void set_quality(ClockQuality quality) { quality_ = quality; }

 private:
  std::atomic<std::int64_t> wall_us_{1'700'000'000'000'000};
  std::atomic<std::int64_t> mono_us_{1'000'000};
  std::atomic<ClockQuality> quality_{ClockQuality::kSynchronised};
};

}  // namespace tg
