// zstd frames: each flush makes one, with a checksum, so that what is before a torn one stays
// readable.
#pragma once

#include <zstd.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace archive {

class Compressor {
 public:
  explicit Compressor(int level);

  // Of the whole text; borrowed until the next call. Throws std::runtime_error.
  [[nodiscard]] std::string_view frame(std::string_view text);

 private:
  struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  };
  const std::unique_ptr<ZSTD_CCtx, Free> context_;
  std::string buffer_;
};

// Bytes from the beginning of the file up to the end of the last frame that is whole and whose
// checksum, like that of all before it, is right. Throws std::system_error when it cannot be read.
[[nodiscard]] std::uint64_t sound_size(int fd);

}  // namespace archive
