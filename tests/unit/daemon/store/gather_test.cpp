#include "daemon/store/gather.h"

#include <catch2/catch.hpp>

using tg::store::Gather;

TEST_CASE("A commit after a slow one waits a quarter of its time for the senders it answered") {
  Gather gather;
  gather.begin(40, 10, 20'000, 1000);
  CHECK(gather.until_ms() == 1005);
  CHECK_FALSE(gather.is_complete(49));
  CHECK(gather.is_complete(50));
  CHECK(gather.until_ms() == 0);
  CHECK_FALSE(gather.is_complete(51));
}

TEST_CASE("Nothing waits after a fast commit, nor after one that answered nobody") {
  Gather gather;
  gather.begin(50, 0, 1900, 1000);
  CHECK(gather.until_ms() == 0);
  gather.begin(0, 5, 20'000, 1000);
  CHECK(gather.until_ms() == 0);
}
