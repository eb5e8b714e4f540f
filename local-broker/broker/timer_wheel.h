// Timers for many owners at no cost per packet: an intrusive hashed wheel. An owner that is active
// leaves its timer alone; when it fires, the owner looks whether its time has really come and arms
// it again.
//
// Limits: fires up to one tick (128 ms) late, never early.
#pragma once

#include <array>
#include <cstdint>

namespace tg::broker {

enum class TimerKind : std::uint8_t { kConnection, kSession, kWill };

struct Timer {
  Timer(TimerKind timer_kind, void* timer_owner) : kind(timer_kind), owner(timer_owner) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void disarm();
  [[nodiscard]] bool is_armed() const { return next != nullptr; }

  Timer* next = nullptr;
  Timer* previous = nullptr;
  std::int64_t due_ms = 0;
  TimerKind kind;
  void* owner;
};

class TimerWheel {
 public:
  explicit TimerWheel(std::int64_t now_ms);

  // Moves it if it is armed already. The wheel must outlive the timer's being armed.
  void arm(Timer& timer, std::int64_t due_ms);
  // Takes one timer that is due, or null. The caller asks until there is none.
  Timer* take_due(std::int64_t now_ms);
  // A lower bound of the time until the next one, at most `limit_ms`.
  [[nodiscard]] std::int64_t wait_ms(std::int64_t now_ms, std::int64_t limit_ms) const;

 private:
  static constexpr unsigned kTickBits = 7;
  static constexpr std::size_t kSlots = 512;

  struct Slot : Timer {
    Slot() : Timer(TimerKind::kConnection, nullptr) { next = previous = this; }
    ~Slot() { next = previous = nullptr; }
  };
  [[nodiscard]] Slot& slot_at(std::int64_t tick) {
    return slots_[static_cast<std::size_t>(tick) % kSlots];
  }

  std::array<Slot, kSlots> slots_;
  std::int64_t tick_;  // the next one to be looked at
};

}  // namespace tg::broker
