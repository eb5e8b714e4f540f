#include "daemon/store/stored_time.h"

#include "tests/unit/daemon/store/test_loop.h"

namespace tg::store {

TEST_CASE("ages: the monotonic clock within a boot, a trusted wall clock across boots") {
  FakeClock clock;
  const StoredTime then{clock.now(), 3};
  clock.advance_ms(5000);
  clock.step_wall_ms(1'000'000);
  CHECK(age_ms(then, clock.now(), 3) == 5000);
  CHECK(age_ms(then, clock.now(), 4) == 1'005'000);
  clock.step_wall_ms(-9'000'000);
  CHECK(age_ms(then, clock.now(), 4) == 0);
  clock.step_wall_ms(18'000'000);
  clock.set_quality(ClockQuality::kUnsynchronised);
  CHECK(age_ms(then, clock.now(), 4) == 0);
  CHECK(age_ms(then, clock.now(), 3) == 5000);
  clock.set_quality(ClockQuality::kSynchronised);
  StoredTime doubtful = then;
  doubtful.at.quality = ClockQuality::kUnsynchronised;
  CHECK(age_ms(doubtful, clock.now(), 4) == 0);
  clock.step_wall_ms(50LL * 365 * 86'400'000);
  CHECK(age_ms(then, clock.now(), 3) == 5000);
  CHECK(age_ms(then, clock.now(), 4) == 0);
  StoredTime epoch = then;
  epoch.at.wall_ms = 1000;
  CHECK(age_ms(epoch, clock.now(), 4) == 0);
}

}  // namespace tg::store
