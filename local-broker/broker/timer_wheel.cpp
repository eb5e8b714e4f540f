#include "local-broker/broker/timer_wheel.h"

#include <algorithm>

namespace tg::broker {

void Timer::disarm() {
  if (next == nullptr) return;
  previous->next = next;
  next->previous = previous;
  next = previous = nullptr;
}

TimerWheel::TimerWheel(std::int64_t now_ms) : tick_(now_ms >> kTickBits) {}

void TimerWheel::arm(Timer& timer, std::int64_t due_ms) {
  timer.disarm();
  timer.due_ms = due_ms;
  // The tick after the due time: a tick is looked at when it has begun.
  Slot& slot = slot_at(std::max((due_ms >> kTickBits) + 1, tick_));
  timer.next = &slot;
  timer.previous = slot.previous;
  slot.previous->next = &timer;
  slot.previous = &timer;
}

Timer* TimerWheel::take_due(std::int64_t now_ms) {
  const std::int64_t now_tick = now_ms >> kTickBits;
  // A long gap is one turn of the wheel: every slot is then looked at once.
  tick_ = std::max(tick_, now_tick - static_cast<std::int64_t>(kSlots) + 1);
  for (; tick_ <= now_tick; ++tick_) {
    Slot& slot = slot_at(tick_);
    for (Timer* timer = slot.next; timer != &slot; timer = timer->next) {
      if (timer->due_ms <= now_ms) {
        timer->disarm();
        return timer;
      }
    }
  }
  return nullptr;
}

std::int64_t TimerWheel::wait_ms(std::int64_t now_ms, std::int64_t limit_ms) const {
  const std::int64_t last =
      std::min((now_ms + limit_ms) >> kTickBits, tick_ + static_cast<std::int64_t>(kSlots) - 1);
  for (std::int64_t tick = tick_; tick <= last; ++tick) {
    const Slot& slot = slots_[static_cast<std::size_t>(tick) % kSlots];
    if (slot.next != &slot) return std::max<std::int64_t>((tick << kTickBits) - now_ms, 1);
  }
  return limit_ms;
}

}  // namespace tg::broker
