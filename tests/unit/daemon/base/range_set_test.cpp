#include "daemon/base/range_set.h"

#include <catch2/catch.hpp>
#include <random>
#include <set>

using tg::RangeSet;

TEST_CASE("ranges that touch or overlap become one") {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  CHECK(set.size() == 2);
  set.add(20, 25);
  CHECK(set.size() == 2);
  set.add(24, 31);
  CHECK(set.size() == 1);
  CHECK(set.count() == 30);
  CHECK(set.skip(10) == 40);
  CHECK(set.skip(9) == 9);
  CHECK(set.skip(40) == 40);
  set.add(5, 5);
  CHECK(set.size() == 1);
}

TEST_CASE("a set holds what a plain set would hold, and so does its encoding") {
  std::mt19937 random(7);
  RangeSet set;
  std::set<std::uint64_t> plain;
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t first = random() % 500;
    const std::uint64_t end = first + random() % 20;
    if (round % 50 == 49) {
      set.drop_below(first);
      plain.erase(plain.begin(), plain.lower_bound(first));
    } else {
      set.add(first, end);
      for (std::uint64_t n = first; n < end; ++n) plain.insert(n);
    }
    CHECK(set.count() == plain.size());
    const RangeSet copy = RangeSet::decode(set.encode());
    CHECK(copy.ranges() == set.ranges());
    for (std::uint64_t n = 0; n < 530; ++n) {
      if (copy.contains(n) != plain.contains(n)) FAIL("number " << n << " in round " << round);
    }
  }
}

TEST_CASE("a malformed encoding keeps what came before the damage") {
  RangeSet set;
  set.add(5, 9);
  std::string bytes = set.encode();
  bytes += '\x80';
  CHECK(RangeSet::decode(bytes).count() == 4);
  CHECK(RangeSet::decode(std::string(30, '\xFF')).size() == 0);
  CHECK(RangeSet::decode(std::string(2, '\0')).size() == 0);
}
