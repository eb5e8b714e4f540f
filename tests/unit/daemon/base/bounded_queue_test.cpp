#include "daemon/base/bounded_queue.h"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>

TEST_CASE("a full queue refuses and leaves the value with the producer") {
  tg::BoundedQueue<std::unique_ptr<int>> queue(1);
  CHECK(queue.push(std::make_unique<int>(1)));
  auto second = std::make_unique<int>(2);
  CHECK_FALSE(queue.push(std::move(second)));
  REQUIRE(second != nullptr);
  CHECK(*second == 2);
}

TEST_CASE("entries leave in the order in which they came") {
  tg::BoundedQueue<int> queue(3);
  for (int i = 1; i <= 3; ++i) CHECK(queue.push(int{i}));
  for (int i = 1; i <= 3; ++i) CHECK(queue.pop() == i);
}

TEST_CASE("a closed queue gives what it holds, then nothing, and takes no more") {
  tg::BoundedQueue<int> queue(3);
  CHECK(queue.push(1));
  queue.close();
  CHECK_FALSE(queue.push(2));
  CHECK(queue.pop() == 1);
  CHECK(queue.pop() == std::nullopt);
}

TEST_CASE("a waiting consumer is woken by an entry and by the close") {
  tg::BoundedQueue<int> queue(8);
  int sum = 0;
  std::thread consumer([&queue, &sum] {
    while (const auto value = queue.pop()) sum += *value;
  });
  for (int i = 1; i <= 100;) {
    if (queue.push(int{i})) ++i;
  }
  queue.close();
  consumer.join();
  CHECK(sum == 5050);
}

TEST_CASE("waiting for a time ends without an entry") {
  tg::BoundedQueue<int> queue(1);
  CHECK(queue.pop_for(std::chrono::milliseconds(1)) == std::nullopt);
}
