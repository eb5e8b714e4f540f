#include "daemon/uplink/token_bucket.h"

#include <catch2/catch.hpp>

using tg::uplink::TokenBucket;

TEST_CASE("without a limit nothing waits") {
  TokenBucket bucket(0);
  bucket.take(1'000'000'000, 5);
  CHECK(bucket.wait_ms(5) == 0);
}

TEST_CASE("a tenth of a second may be saved up, not more") {
  TokenBucket bucket(100);
  const std::int64_t now_us = 60'000'000;
  int taken = 0;
  while (bucket.wait_ms(now_us) == 0) {
    bucket.take(1, now_us);
    ++taken;
  }
  CHECK(taken == 10);
  CHECK(bucket.wait_ms(now_us) == 10);
  CHECK(bucket.wait_ms(now_us + 10'000) == 0);
}

TEST_CASE("a large take is paid back before the next") {
  TokenBucket bucket(1000);
  bucket.take(1100, 0);  // 100 were saved up
  CHECK(bucket.wait_ms(0) == 1001);
  CHECK(bucket.wait_ms(500'000) == 501);
  CHECK(bucket.wait_ms(1'001'000) == 0);
}

TEST_CASE("a clock that stands still or steps back gives nothing") {
  TokenBucket bucket(1);
  bucket.take(1, 10'000'000);
  CHECK(bucket.wait_ms(10'000'000) == 1000);
  CHECK(bucket.wait_ms(1'000'000) == 1000);
  CHECK(bucket.wait_ms(11'000'000) == 0);
}
