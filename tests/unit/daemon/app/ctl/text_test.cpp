#include "daemon/app/ctl/text.h"

#include <catch2/catch.hpp>

using namespace tg::ctl;

TEST_CASE("a time is read as it is printed, or in UTC") {
  CHECK(parse_time("1970-01-02 00:00:01Z") == 86'401'000);
  CHECK(parse_time("2026-01-31T12:00Z") == 1'769'860'800'000);
  CHECK(parse_time("2026-01-31 12:00Z") == parse_time("2026-01-31T12:00:00Z"));
  const auto local = parse_time("2026-01-31 12:00:05");
  REQUIRE(local);
  CHECK(time_text(static_cast<double>(*local)) == "2026-01-31 12:00:05");
  for (const char* text : {"", "yesterday", "2026-01-31", "2026-13-31 12:00", "2026-01-31 12:00 Z",
                           "2026-01-31 12:00:00Zx", "1960-01-01 00:00Z", "12:00"}) {
    CHECK_FALSE(parse_time(text));
  }
}
