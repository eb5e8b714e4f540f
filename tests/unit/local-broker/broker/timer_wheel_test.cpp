#include "local-broker/broker/timer_wheel.h"

#include <catch2/catch.hpp>
#include <memory>
#include <random>
#include <vector>

using tg::broker::Timer;
using tg::broker::TimerKind;
using tg::broker::TimerWheel;

TEST_CASE("A timer fires once, never early and at most a tick late") {
  TimerWheel wheel(5000);
  Timer timer(TimerKind::kSession, nullptr);
  wheel.arm(timer, 6000);
  CHECK(wheel.take_due(5999) == nullptr);
  CHECK(wheel.take_due(6128) == &timer);
  CHECK(wheel.take_due(10'000) == nullptr);
}

TEST_CASE("A timer that is armed again moves; one that is gone never fires") {
  TimerWheel wheel(0);
  Timer timer(TimerKind::kSession, nullptr);
  wheel.arm(timer, 500);
  wheel.arm(timer, 5000);
  {
    Timer gone(TimerKind::kSession, nullptr);
    wheel.arm(gone, 500);
  }
  CHECK(wheel.take_due(1000) == nullptr);
  CHECK(wheel.take_due(5200) == &timer);
}

TEST_CASE("Timers far beyond a turn of the wheel fire in time") {
  TimerWheel wheel(0);
  std::mt19937 random(7);
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 500; ++i) {
    timers.push_back(std::make_unique<Timer>(TimerKind::kSession, nullptr));
    wheel.arm(*timers.back(), static_cast<std::int64_t>(random() % 1'000'000));
  }
  std::size_t fired = 0;
  for (std::int64_t now = 0; now <= 1'001'000; now += 100) {
    while (const Timer* timer = wheel.take_due(now)) {
      CHECK(timer->due_ms <= now);
      CHECK(timer->due_ms > now - 300);
      ++fired;
    }
  }
  CHECK(fired == timers.size());
}

TEST_CASE("A jump over many turns fires everything that was due") {
  TimerWheel wheel(0);
  Timer a(TimerKind::kSession, nullptr);
  Timer b(TimerKind::kSession, nullptr);
  wheel.arm(a, 100);
  wheel.arm(b, 400'000);
  CHECK(wheel.take_due(10'000'000) != nullptr);
  CHECK(wheel.take_due(10'000'000) != nullptr);
  CHECK(wheel.take_due(10'000'000) == nullptr);
}

TEST_CASE("The wait ends by the next timer") {
  TimerWheel wheel(0);
  CHECK(wheel.wait_ms(0, 1000) == 1000);
  Timer timer(TimerKind::kSession, nullptr);
  wheel.arm(timer, 300);
  const auto wait = wheel.wait_ms(0, 1000);
  CHECK(wait >= 300);
  CHECK(wait <= 428);
  CHECK(wheel.take_due(wait) == &timer);
}
