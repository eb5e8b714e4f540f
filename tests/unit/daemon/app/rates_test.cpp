#include "daemon/app/rates.h"

#include <catch2/catch.hpp>

namespace tg::app {

TEST_CASE("a rate is the mean of the last minute") {
  RateWindow window;
  CHECK(window.per_second() == 0);
  window.add(0, 100);
  CHECK(window.per_second() == 0);
  window.add(1000, 110);
  CHECK(window.per_second() == Approx(10));
  for (int second = 2; second <= 200; ++second) window.add(second * 1000, 110);
  CHECK(window.per_second() == 0);
  window.add(201'000, 50);
  CHECK(window.per_second() == Approx(-1));
}

TEST_CASE("counters have rates of their own, and none is 0") {
  Rates rates;
  rates.add("a", 0, 0);
  rates.add("a", 2000, 10);
  rates.add("b", 0, 0);
  CHECK(rates.per_second("a") == Approx(5));
  CHECK(rates.per_second("b") == 0);
  CHECK(rates.per_second("c") == 0);
}

}  // namespace tg::app
