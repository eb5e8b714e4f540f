#include "local-broker/broker/output_buffer.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "daemon/base/assert.h"

namespace tg::broker {
namespace {

constexpr std::uint32_t kFirstCapacity = 1024;
constexpr std::uint32_t kLargestPooled = 64 * 1024;
constexpr std::size_t kPoolLimit = 2 * 1024 * 1024;

}  // namespace

BufferPool::~BufferPool() {
  for (const Block& block : free_) std::free(block.data);
}

BufferPool::Block BufferPool::take() {
  Block block{nullptr, 0};
  if (free_.empty()) return grow(block, kFirstCapacity);
  block = free_.back();
  free_.pop_back();
  free_bytes_ -= block.capacity;
  in_use_ += block.capacity;
  return block;
}

void BufferPool::give(Block block) {
  in_use_ -= block.capacity;
  if (block.capacity > kLargestPooled || free_bytes_ + block.capacity > kPoolLimit) {
    std::free(block.data);
    return;
  }
  free_bytes_ += block.capacity;
  free_.push_back(block);
}

BufferPool::Block BufferPool::grow(Block block, std::size_t capacity) {
  TG_ASSERT(capacity <= std::numeric_limits<std::uint32_t>::max() / 2);
  capacity = std::bit_ceil(capacity);
  auto* data = static_cast<char*>(std::realloc(block.data, capacity));
  if (data == nullptr) throw std::bad_alloc();
  in_use_ += capacity - block.capacity;
  return {data, static_cast<std::uint32_t>(capacity)};
}

void OutputBuffer::make_room(std::size_t count, BufferPool& pool) {
  if (data_ == nullptr) {
    const auto block = pool.take();
    data_ = block.data;
    capacity_ = block.capacity;
    begin_ = end_ = kFrontRoom;
  }
  if (begin_ > kFrontRoom) {
    std::memmove(data_ + kFrontRoom, data_ + begin_, end_ - begin_);
    end_ -= begin_ - kFrontRoom;
    begin_ = kFrontRoom;
  }
  if (count <= capacity_ - end_) return;
  const auto block = pool.grow({data_, capacity_}, end_ + count);
  data_ = block.data;
  capacity_ = block.capacity;
}

void OutputBuffer::shrink(BufferPool& pool) {
  const std::size_t needed = std::bit_ceil(kFrontRoom + size());
  if (capacity_ <= kLargestPooled || needed > capacity_ / 2) return;
  std::memmove(data_ + kFrontRoom, data_ + begin_, size());
  end_ -= begin_ - kFrontRoom;
  begin_ = kFrontRoom;
  const auto block = pool.grow({data_, capacity_}, needed);
  data_ = block.data;
  capacity_ = block.capacity;
}

void OutputBuffer::consume(std::size_t count, BufferPool& pool) {
  begin_ += static_cast<std::uint32_t>(count);
  if (begin_ == end_) clear(pool);
}

void OutputBuffer::clear(BufferPool& pool) {
  if (data_ != nullptr) pool.give({data_, capacity_});
  data_ = nullptr;
  begin_ = end_ = capacity_ = 0;
}

}  // namespace tg::broker
