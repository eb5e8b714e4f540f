#include "local-broker/broker/output_buffer.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>

using namespace tg::broker;

namespace {

void append(OutputBuffer& buffer, BufferPool& pool, const std::string& text) {
  std::memcpy(buffer.extend(text.size(), pool), text.data(), text.size());
}

std::string text_of(OutputBuffer& buffer) {
  const auto bytes = buffer.bytes();
  return {bytes.data(), bytes.size()};
}

}  // namespace

TEST_CASE("What is left of a large packet takes what it needs, not what the packet took") {
  BufferPool pool;
  OutputBuffer buffer;
  append(buffer, pool, std::string(200'000, 'x') + "the rest");
  CHECK(pool.in_use() == 262'144);
  buffer.shrink(pool);  // all of it is still there
  CHECK(pool.in_use() == 262'144);
  buffer.consume(200'000, pool);
  buffer.shrink(pool);
  CHECK(pool.in_use() < 1024);
  CHECK(text_of(buffer) == "the rest");
  append(buffer, pool, " and more");
  CHECK(text_of(buffer) == "the rest and more");
  buffer.clear(pool);
  CHECK(pool.in_use() == 0);
}

TEST_CASE("Small blocks stay as they are: they come back from the pool every round") {
  BufferPool pool;
  OutputBuffer buffer;
  append(buffer, pool, std::string(5000, 'x'));
  const std::size_t before = pool.in_use();
  buffer.consume(4990, pool);
  buffer.shrink(pool);
  CHECK(pool.in_use() == before);
  buffer.clear(pool);
}
