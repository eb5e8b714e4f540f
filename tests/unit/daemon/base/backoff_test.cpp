#include "daemon/base/backoff.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

TEST_CASE("a delay is never over the doubling ceiling nor over the maximum") {
  tg::Backoff backoff(1000, 120'000, 7);
  std::int64_t ceiling = 1000;
  for (int attempt = 0; attempt < 50; ++attempt) {
    const std::int64_t delay = backoff.next_ms();
    CHECK(delay >= 0);
    CHECK(delay <= ceiling);
    ceiling = std::min<std::int64_t>(ceiling * 2, 120'000);
  }
}

TEST_CASE("delays are spread over the whole range, not near its end") {
  tg::Backoff backoff(1000, 1000, 42);
  int low = 0;
  int high = 0;
  for (int i = 0; i < 2000; ++i) (backoff.next_ms() < 500 ? low : high)++;
  CHECK(low > 800);
  CHECK(high > 800);
}

TEST_CASE("a reset begins again with the shortest ceiling") {
  tg::Backoff backoff(10, 100'000, 3);
  for (int i = 0; i < 20; ++i) (void)backoff.next_ms();
  backoff.reset();
  CHECK(backoff.next_ms() <= 10);
}

TEST_CASE("a maximum below the minimum is raised to it") {
  tg::Backoff backoff(100, 1, 3);
  for (int i = 0; i < 20; ++i) CHECK(backoff.next_ms() <= 100);
}

TEST_CASE("two seeds give two sequences") {
  tg::Backoff a(1000, 100'000, 1);
  tg::Backoff b(1000, 100'000, 2);
  bool differ = false;
  for (int i = 0; i < 10; ++i) differ = a.next_ms() != b.next_ms() || differ;
  CHECK(differ);
}

TEST_CASE("a stable offset is the same each time and spread over its range") {
  CHECK(tg::stable_offset_ms("gw1/export", 60'000) == tg::stable_offset_ms("gw1/export", 60'000));
  CHECK(tg::stable_offset_ms("gw1", 0) == 0);
  int quarters[4] = {};
  for (int i = 0; i < 400; ++i) {
    const auto offset = tg::stable_offset_ms("edgegateway" + std::to_string(i), 4000);
    REQUIRE(offset >= 0);
    REQUIRE(offset < 4000);
    ++quarters[offset / 1000];
  }
  for (const int count : quarters) {
    CHECK(count > 70);
    CHECK(count < 130);
  }
}
