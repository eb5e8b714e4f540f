#include "plugins/aggregate/window.h"

#include <catch2/catch.hpp>
#include <limits>

using aggregate::Window;
using aggregate::window_start;

TEST_CASE("a window's figures are those of its values") {
  Window window;
  for (const double value : {-2.5, 4.0, 10.0, 0.5}) window.add(value);
  CHECK(window.count == 4);
  CHECK(window.mean == 3.0);
  CHECK(window.min == -2.5);
  CHECK(window.max == 10.0);
}

TEST_CASE("the first value is minimum and maximum, whatever its sign") {
  for (const double value : {-7.0, 7.0}) {
    Window window;
    window.add(value);
    CHECK(window.min == value);
    CHECK(window.max == value);
    CHECK(window.mean == value);
  }
}

TEST_CASE("a mean keeps its digits where a sum would lose them") {
  Window window;
  for (int i = 0; i < 100'000; ++i) window.add(1e16 + (i % 2 == 0 ? 0.0 : 2.0));
  CHECK(window.mean >= 1e16);
  CHECK(window.mean <= 1e16 + 2.0);
  Window large;
  large.add(std::numeric_limits<double>::max());
  large.add(std::numeric_limits<double>::max());
  CHECK(large.mean == std::numeric_limits<double>::max());
}

TEST_CASE("a stored window comes back bit by bit") {
  Window window;
  window.start_ms = 1'790'000'010'000;
  for (const double value : {0.1, 1.0 / 3.0, -1e-300, 1e300}) window.add(value);
  const auto loaded = Window::load(window.store());
  REQUIRE(loaded);
  CHECK(loaded->start_ms == window.start_ms);
  CHECK(loaded->count == window.count);
  CHECK(loaded->mean == window.mean);
  CHECK(loaded->min == window.min);
  CHECK(loaded->max == window.max);
}

TEST_CASE("a stored window that is cut short or no window is refused") {
  CHECK_FALSE(Window::load(""));
  CHECK_FALSE(Window::load("1790000010000 4 0x1p+0 0x1p+0"));
  CHECK_FALSE(Window::load("start count mean min max"));
}

TEST_CASE("windows are aligned to 1970, also before it") {
  CHECK(window_start(0, 10'000) == 0);
  CHECK(window_start(9'999, 10'000) == 0);
  CHECK(window_start(10'000, 10'000) == 10'000);
  CHECK(window_start(-1, 10'000) == -10'000);
  CHECK(window_start(-10'000, 10'000) == -10'000);
}
