#include "daemon/uplink/refusals.h"

#include <catch2/catch.hpp>

using tg::uplink::Refusals;

TEST_CASE("what was in flight is suspect until the watermark has passed it") {
  Refusals refusals;
  CHECK_FALSE(refusals.is_suspect(1));
  refusals.lost(10, std::nullopt, "closed", 5);
  CHECK(refusals.is_suspect(9));
  CHECK_FALSE(refusals.is_suspect(10));
}

TEST_CASE("three ends in a row with the same record alone condemn it, with its history") {
  Refusals refusals;
  refusals.lost(8, 7, "closed", 100);
  refusals.lost(8, 7, "closed", 200);
  CHECK_FALSE(refusals.condemned());
  refusals.lost(8, 7, "closed again", 300);
  REQUIRE(refusals.condemned());
  CHECK(refusals.condemned()->seq == 7);
  CHECK(refusals.condemned()->first_ms == 100);
  CHECK(refusals.condemned()->last_ms == 300);
  CHECK(refusals.condemned()->attempts == 3);
  CHECK(refusals.condemned()->reason == "closed again");
}

TEST_CASE("another record, or more than one in flight, begins the count anew") {
  Refusals refusals;
  refusals.lost(8, 7, "closed", 1);
  refusals.lost(8, 7, "closed", 2);
  refusals.lost(9, 8, "closed", 3);
  refusals.lost(8, 7, "closed", 4);
  refusals.lost(8, 7, "closed", 5);
  refusals.lost(12, std::nullopt, "closed", 6);
  refusals.lost(8, 7, "closed", 7);
  refusals.lost(8, 7, "closed", 8);
  CHECK_FALSE(refusals.condemned());
}

TEST_CASE("five letters in a row for one reason block; an ack or another reason breaks the row") {
  Refusals refusals;
  for (int i = 0; i < 4; ++i) CHECK_FALSE(refusals.lettered("denied"));
  refusals.acked();
  for (int i = 0; i < 4; ++i) CHECK_FALSE(refusals.lettered("denied"));
  CHECK_FALSE(refusals.lettered("topic name invalid"));
  for (int i = 0; i < 4; ++i) CHECK_FALSE(refusals.lettered("denied"));
  CHECK(refusals.blocked().empty());
  CHECK(refusals.lettered("denied"));
  CHECK(refusals.blocked() == "denied");
  refusals.unblock();
  CHECK(refusals.blocked().empty());
  CHECK_FALSE(refusals.lettered("denied"));
}
