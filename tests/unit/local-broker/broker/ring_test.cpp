#include "local-broker/broker/ring.h"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

using tg::broker::Ring;

TEST_CASE("A ring keeps the order of what passes through it while it grows and shrinks") {
  Ring<std::string> ring;
  int pushed = 0;
  int popped = 0;
  for (const int many : {3, 50, 1, 700, 2, 2}) {
    for (int i = 0; i < many; ++i) ring.push_back(std::to_string(pushed++));
    const std::size_t kept = many == 50 ? 1 : 0;  // now and then it does not run empty
    while (ring.size() > kept) REQUIRE(ring.take_front() == std::to_string(popped++));
  }
  CHECK(pushed - popped == static_cast<int>(ring.size()));
}

TEST_CASE("A ring that was long once gives its memory back while it stays short") {
  Ring<int> ring;
  for (int i = 0; i < 1000; ++i) ring.push_back(i);
  const auto largest = ring.capacity();
  while (!ring.empty()) ring.pop_front();
  CHECK(ring.capacity() == largest / 2);
  for (int i = 0; i < 20; ++i) {
    ring.push_back(i);
    ring.pop_front();
  }
  CHECK(ring.capacity() <= 32);
}

TEST_CASE("A ring lets go of what is popped") {
  Ring<std::shared_ptr<int>> ring;
  const auto value = std::make_shared<int>(1);
  ring.push_back(value);
  ring.push_back(value);
  ring.pop_front();
  CHECK(value.use_count() == 2);
  CHECK(ring.take_front() == value);
  CHECK(value.use_count() == 1);
}
