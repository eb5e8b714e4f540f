// Bytes are std::string (owned) and std::string_view (borrowed). The writer appends to a string,
// the reader walks a view and never passes its end: a short or malformed input sets failed() and
// yields zeros from then on, so a decoder checks once at its end.
//
// Formats of ours: integers little-endian; varint = LEB128 of an unsigned 64-bit number, at most 10
// bytes; str = varint length, bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tg {

void put_u8(std::string& out, std::uint8_t value);
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);
void put_varint(std::string& out, std::uint64_t value);
void put_str(std::string& out, std::string_view value);

// Bytes that put_varint will write.
[[nodiscard]] std::size_t varint_size(std::uint64_t value);

class ByteReader {
 public:
  explicit ByteReader(std::string_view data) : data_(data) {}

  std::uint8_t u8();
  std::uint32_t u32();
  std::uint64_t u64();
  std::uint64_t varint();
  std::string_view str();
  std::string_view take(std::size_t count);

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t remaining() const { return data_.size() - position_; }
  [[nodiscard]] std::size_t position() const { return position_; }

 private:
  std::string_view data_;
  std::size_t position_ = 0;
  bool failed_ = false;
};

// CRC-32C (Castagnoli). crc32c("123456789") == 0xE3069283. Hardware instruction where the CPU has
// it.
[[nodiscard]] std::uint32_t crc32c(std::string_view data, std::uint32_t seed = 0);

[[nodiscard]] std::string base64(std::string_view data);
// With its padding and nothing else; nothing when it is not well-formed.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace tg
