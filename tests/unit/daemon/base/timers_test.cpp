#include "daemon/base/timers.h"

#include <catch2/catch.hpp>
#include <vector>

TEST_CASE("fake timers fire in order of time, and of making when due together") {
  tg::FakeTimers timers;
  std::vector<int> fired;
  timers.after(20, [&fired] { fired.push_back(3); });
  timers.after(10, [&fired] { fired.push_back(1); });
  timers.after(10, [&fired] { fired.push_back(2); });
  timers.advance_ms(9);
  CHECK(fired.empty());
  timers.advance_ms(20);
  CHECK(fired == std::vector<int>{1, 2, 3});
}

TEST_CASE("a timer made by a timer fires in the same advance when it is due") {
  tg::FakeTimers timers;
  int fired = 0;
  timers.after(5, [&timers, &fired] { timers.after(5, [&fired] { ++fired; }); });
  timers.advance_ms(10);
  CHECK(fired == 1);
}

TEST_CASE("a part of a millisecond is not too early") {
  tg::FakeTimers timers;
  int fired = 0;
  timers.after_us(1001, [&fired] { ++fired; });
  timers.advance_ms(1);
  CHECK(fired == 0);
  timers.advance_ms(1);
  CHECK(fired == 1);
}

TEST_CASE("a cancelled timer does not fire") {
  tg::FakeTimers timers;
  int fired = 0;
  const auto id = timers.after(5, [&fired] { ++fired; });
  timers.cancel(id);
  timers.advance_ms(10);
  CHECK(fired == 0);
  CHECK(timers.size() == 0);
}
