#include "plugins/archive/frames.h"

#include <unistd.h>

#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>

namespace archive {

Compressor::Compressor(int level) : context_(ZSTD_createCCtx()) {
  if (context_ == nullptr) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
}

std::string_view Compressor::frame(std::string_view text) {
  buffer_.resize(ZSTD_compressBound(text.size()));
  const std::size_t size =
      ZSTD_compress2(context_.get(), buffer_.data(), buffer_.size(), text.data(), text.size());
  if (ZSTD_isError(size) != 0U) throw std::runtime_error(ZSTD_getErrorName(size));
  return {buffer_.data(), size};
}

std::uint64_t sound_size(int fd) {
  struct Free {
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
  };
  const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
  if (context == nullptr) throw std::bad_alloc();
  std::string packed(ZSTD_DStreamInSize(), '\0');
  std::string text(ZSTD_DStreamOutSize(), '\0');  // what comes out is not looked at
  std::uint64_t sound = 0;
  std::uint64_t offset = 0;
  while (true) {
    const ssize_t got = ::pread(fd, packed.data(), packed.size(), static_cast<off_t>(offset));
    if (got < 0) throw std::system_error(errno, std::generic_category(), "reading");
    if (got == 0) return sound;
    ZSTD_inBuffer in{packed.data(), static_cast<std::size_t>(got), 0};
    while (in.pos < in.size) {
      ZSTD_outBuffer out{text.data(), text.size(), 0};
      const std::size_t left = ZSTD_decompressStream(context.get(), &out, &in);
      if (ZSTD_isError(left) != 0U) return sound;
      if (left == 0) sound = offset + in.pos;
    }
    offset += in.size;
  }
}

}  // namespace archive
