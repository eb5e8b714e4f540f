// What is to be sent to one peer: bytes appended at the end, consumed at the front. It holds memory
// only while it holds bytes; blocks come from a pool, since they come and go every round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tg::broker {

class BufferPool {
 public:
  BufferPool() = default;
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Bytes of the blocks that are out.
  [[nodiscard]] std::size_t in_use() const { return in_use_; }

 private:
  friend class OutputBuffer;
  struct Block {
    char* data;
    std::uint32_t capacity;
  };
  Block take();
  void give(Block block);
  Block grow(Block block, std::size_t capacity);

  std::vector<Block> free_;
  std::size_t free_bytes_ = 0;
  std::size_t in_use_ = 0;
};

class OutputBuffer {
 public:
  // For a header that goes before what is sent.
  static constexpr std::uint32_t kFrontRoom = 16;

  OutputBuffer() = default;
  OutputBuffer(const OutputBuffer&) = delete;
  OutputBuffer& operator=(const OutputBuffer&) = delete;

  // Room for `count` bytes at the end, to be written by the caller.
  char* extend(std::size_t count, BufferPool& pool) {
    if (count > capacity_ - end_) make_room(count, pool);
    char* room = data_ + end_;
    end_ += static_cast<std::uint32_t>(count);
    return room;
  }
  void consume(std::size_t count, BufferPool& pool);
  // Gives up memory that what is left after a large packet does not need.
  void shrink(BufferPool& pool);
  // Must be called before the end of its life.
  void clear(BufferPool& pool);
  // The kFrontRoom bytes before it are there, and hold nothing that is needed.
  [[nodiscard]] std::span<char> bytes() { return {data_ + begin_, size()}; }
  [[nodiscard]] std::size_t size() const { return end_ - begin_; }

 private:
  void make_room(std::size_t count, BufferPool& pool);

  char* data_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  std::uint32_t capacity_ = 0;
};

}  // namespace tg::broker
