// The bytes of one payload, compressed as they are appended or kept as they are. Knows at each
// moment an upper bound of what the finished payload will take, so that a batch can be filled up to
// a limit on its compressed size without ever passing it.
//
// zstd: one frame, level 1, a window of 128 KiB. gzip: one member, level 6. Both name themselves by
// their first bytes (28 B5 2F FD, 1F 8B), so that a receiver needs no further word.
// Memory: about 0.5 MiB while a compressed payload is made; nothing with kNone. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tg::uplink {

enum class Compression : std::uint8_t { kNone, kZstd, kGzip };

class Packer {
 public:
  explicit Packer(Compression compression);
  ~Packer();
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void append(std::string_view bytes);
  // Appending `more` bytes and finishing would surely stay within `limit`.
  [[nodiscard]] bool fits(std::size_t more, std::size_t limit);
  // The finished payload; the packer is empty then.
  [[nodiscard]] std::string finish();
  void clear();
  // Appended since it was empty.
  [[nodiscard]] std::size_t raw_size() const { return raw_size_; }

 private:
  class Codec;
  class Zstd;
  class Gzip;

  [[nodiscard]] std::size_t bound(std::size_t more) const;
  void flush();

  std::unique_ptr<Codec> codec_;  // null: kNone
  std::string out_;
  std::size_t raw_size_ = 0;
  std::size_t unflushed_ = 0;     // raw bytes whose compressed size is not known yet
  std::size_t flushed_size_ = 0;  // of out_ before them
};

}  // namespace tg::uplink
