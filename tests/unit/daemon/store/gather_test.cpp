#include "daemon/store/gather.h"

#include <catch2/catch.hpp>

using tg::store::Gather;

TEST_CASE("a commit waits a third of the last one's time for the senders that it answered") {
  Gather gather;
  gather.begin(40, 10, 600, 1000);
  CHECK(gather.until_us() == 1200);
  CHECK_FALSE(gather.is_complete(49));
  CHECK(gather.is_complete(50));
  CHECK(gather.until_us() == 0);
  CHECK_FALSE(gather.is_complete(51));
}

TEST_CASE("the wait after a disk that hung is bounded: its senders may be gone") {
  Gather gather;
  gather.begin(40, 0, 60'000'000, 1000);
  CHECK(gather.until_us() == 101'000);
}

TEST_CASE("nothing waits after a commit that answered nobody") {
  Gather gather;
  gather.begin(0, 5, 20'000, 1000);
  CHECK(gather.until_us() == 0);
}
