#include "daemon/uplink/packer.h"

#include <zlib.h>
#include <zstd.h>

#include <utility>

#include "daemon/base/assert.h"

namespace tg::uplink {

namespace {

constexpr int kZstdLevel = 1;
constexpr int kZstdWindowLog = 17;
constexpr int kGzipWindowBits = 15 + 16;  // 16 = gzip's header and trailer
constexpr int kGzipMemoryLevel = 8;
constexpr std::size_t kFrameBytes = 64;  // headers, block headers of a flush, trailer
constexpr std::size_t kStep = 16 * 1024;
// A flush costs some of the ratio: what is known to be left must be worth it.
constexpr std::size_t kFlushShare = 16;

}  // namespace

class Packer::Codec {
 public:
  enum class End : std::uint8_t { kGoOn, kFlush, kFinish };
  virtual ~Codec() = default;
  virtual void write(std::string_view bytes, End end, std::string& out) = 0;
  virtual void reset() = 0;
  [[nodiscard]] virtual std::size_t bound(std::size_t raw) const = 0;
};

class Packer::Zstd final : public Codec {
 public:
  Zstd() : context_(ZSTD_createCCtx()) {
    TG_ASSERT(context_ != nullptr);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, kZstdLevel);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_windowLog, kZstdWindowLog);
    ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
  }
  ~Zstd() override { ZSTD_freeCCtx(context_); }
  Zstd(const Zstd&) = delete;
  Zstd& operator=(const Zstd&) = delete;

  void write(std::string_view bytes, End end, std::string& out) override {
    ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
    const auto mode = end == End::kGoOn    ? ZSTD_e_continue
                      : end == End::kFlush ? ZSTD_e_flush
                                           : ZSTD_e_end;
    for (std::size_t left = 1; left != 0 && (mode != ZSTD_e_continue || input.pos < input.size);) {
      const std::size_t before = out.size();
      out.resize(before + kStep);
      ZSTD_outBuffer output{out.data() + before, kStep, 0};
      left = ZSTD_compressStream2(context_, &output, &input, mode);
      TG_ASSERT(!ZSTD_isError(left));
      out.resize(before + output.pos);
    }
  }
  void reset() override { ZSTD_CCtx_reset(context_, ZSTD_reset_session_only); }
  [[nodiscard]] std::size_t bound(std::size_t raw) const override {
    return ZSTD_compressBound(raw) + kFrameBytes;
  }

 private:
  ZSTD_CCtx* context_;
};

class Packer::Gzip final : public Codec {
 public:
  Gzip() {
    const int rc = deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindowBits,
                                kGzipMemoryLevel, Z_DEFAULT_STRATEGY);
    TG_ASSERT(rc == Z_OK);
  }
  ~Gzip() override { deflateEnd(&stream_); }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  void write(std::string_view bytes, End end, std::string& out) override {
    // zlib's interface has no const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    const int mode = end == End::kGoOn ? Z_NO_FLUSH : end == End::kFlush ? Z_SYNC_FLUSH : Z_FINISH;
    do {
      const std::size_t before = out.size();
      out.resize(before + kStep);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + before);
      stream_.avail_out = kStep;
      const int rc = deflate(&stream_, mode);
      TG_ASSERT(rc != Z_STREAM_ERROR);
      out.resize(before + kStep - stream_.avail_out);
    } while (stream_.avail_out == 0);
  }
  void reset() override { deflateReset(&stream_); }
  [[nodiscard]] std::size_t bound(std::size_t raw) const override {
    return ::compressBound(raw) + kFrameBytes;
  }

 private:
  z_stream stream_{};
};

Packer::Packer(Compression compression) {
  if (compression == Compression::kZstd) codec_ = std::make_unique<Zstd>();
  if (compression == Compression::kGzip) codec_ = std::make_unique<Gzip>();
}

Packer::~Packer() = default;

void Packer::append(std::string_view bytes) {
  raw_size_ += bytes.size();
  if (!codec_) {
    out_ += bytes;
    return;
  }
  unflushed_ += bytes.size();
  codec_->write(bytes, Codec::End::kGoOn, out_);
}

std::size_t Packer::bound(std::size_t more) const {
  if (!codec_) return out_.size() + more;
  return flushed_size_ + codec_->bound(unflushed_ + more);
}

bool Packer::fits(std::size_t more, std::size_t limit) {
  if (bound(more) <= limit) return true;
  if (!codec_ || unflushed_ < limit / kFlushShare) return false;
  flush();
  return bound(more) <= limit;
}

void Packer::flush() {
  codec_->write({}, Codec::End::kFlush, out_);
  flushed_size_ = out_.size();
  unflushed_ = 0;
}

std::string Packer::finish() {
  if (codec_) codec_->write({}, Codec::End::kFinish, out_);
  std::string out = std::move(out_);
  clear();
  return out;
}

void Packer::clear() {
  out_.clear();
  raw_size_ = unflushed_ = flushed_size_ = 0;
  if (codec_) codec_->reset();
}

}  // namespace tg::uplink
