#include "daemon/store/segment_codec.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <zstd.h>

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

constexpr std::uint64_t kZstd = 1;
constexpr std::uint64_t kEncrypted = 0x100;
constexpr unsigned kKeyShift = 16;

constexpr int kLevel = 1;                  // better and faster than 3 on telemetry
constexpr std::size_t kMinCompress = 256;  // below, a frame saves nothing
constexpr std::uint64_t kMaxRecords = 512ULL << 20;
constexpr int kNonceBytes = 12;
constexpr int kTagBytes = 16;

struct FreeCipher {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

std::string associated(std::uint64_t codec, const SegmentHead& head) {
  std::string out;
  put_u64(out, head.table);
  put_u64(out, head.first);
  put_u64(out, head.count);
  put_u64(out, codec);
  return out;
}

}  // namespace

void SegmentCodec::FreeCompressor::operator()(ZSTD_CCtx_s* context) const {
  ZSTD_freeCCtx(context);
}
void SegmentCodec::FreeDecompressor::operator()(ZSTD_DCtx_s* context) const {
  ZSTD_freeDCtx(context);
}

SegmentCodec::SegmentCodec(std::vector<Key> keys) : keys_(std::move(keys)) {}
SegmentCodec::~SegmentCodec() = default;

Result<SegmentCodec::Encoded> SegmentCodec::encode(std::string_view records, bool compress_it,
                                                   const SegmentHead& head) {
  Encoded out;
  out.data = records;
  if (compress_it && records.size() >= kMinCompress) {
    if (auto done = compress(records); !done) return tl::unexpected(done.error());
    if (compressed_.size() < records.size()) {
      out.codec = kZstd;
      out.data = compressed_;
    }
  }
  if (!keys_.empty()) {
    out.codec |= encrypted_codec();
    if (auto done = encrypt(out.data, out.codec, head); !done) return tl::unexpected(done.error());
    out.data = encrypted_;
  }
  out.crc = crc32c(out.data);
  return out;
}

std::uint64_t SegmentCodec::encrypted_codec() const {
  return keys_.empty() ? 0 : kEncrypted | std::uint64_t{keys_.front().id} << kKeyShift;
}

Result<std::string> SegmentCodec::decode(std::uint64_t codec, std::uint64_t crc,
                                         std::string_view data, const SegmentHead& head) {
  if (crc != crc32c(data)) return fail(ErrorCode::kCorrupt, "the checksum is wrong");
  const std::uint64_t compression = codec & 0xff;
  if (compression > kZstd) {
    return fail(ErrorCode::kInvalid, fmt::format("codec {} is not known", codec));
  }
  if ((codec & kEncrypted) == 0) {
    return compression == kZstd ? decompress(data) : Result<std::string>(std::string(data));
  }
  auto body = decrypt(codec, data, head);
  if (!body || compression != kZstd) return body;
  return decompress(*body);
}

Result<void> SegmentCodec::compress(std::string_view records) {
  if (!compressor_) compressor_.reset(ZSTD_createCCtx());
  compressed_.resize(ZSTD_compressBound(records.size()));
  const std::size_t size =
      ZSTD_compressCCtx(compressor_.get(), compressed_.data(), compressed_.size(), records.data(),
                        records.size(), kLevel);
  if (ZSTD_isError(size)) {
    return fail(ErrorCode::kFailed, fmt::format("zstd: {}", ZSTD_getErrorName(size)));
  }
  compressed_.resize(size);
  return {};
}

Result<std::string> SegmentCodec::decompress(std::string_view body) {
  const auto size = ZSTD_getFrameContentSize(body.data(), body.size());
  if (size > kMaxRecords) return fail(ErrorCode::kCorrupt, "the zstd frame has no sound size");
  if (!decompressor_) decompressor_.reset(ZSTD_createDCtx());
  std::string records(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompressDCtx(decompressor_.get(), records.data(), records.size(),
                                              body.data(), body.size());
  if (ZSTD_isError(got) || got != records.size()) {
    return fail(ErrorCode::kCorrupt, "the zstd frame is damaged");
  }
  return records;
}

Result<void> SegmentCodec::encrypt(std::string_view body, std::uint64_t codec,
                                   const SegmentHead& head) {
  encrypted_.assign(kNonceBytes + kTagBytes + body.size(), '\0');
  unsigned char* nonce = bytes_of(encrypted_);
  unsigned char* tag = nonce + kNonceBytes;
  unsigned char* out = tag + kTagBytes;
  const std::string aad = associated(codec, head);
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done = cipher != nullptr && RAND_bytes(nonce, kNonceBytes) == 1 &&
                    EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr,
                                       keys_.front().bytes.data(), nonce) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), nullptr, &length, bytes_of(aad),
                                      static_cast<int>(aad.size())) == 1 &&
                    EVP_EncryptUpdate(cipher.get(), out, &length, bytes_of(body),
                                      static_cast<int>(body.size())) == 1 &&
                    EVP_EncryptFinal_ex(cipher.get(), out + length, &length) == 1 &&
                    EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, tag) == 1;
  if (!done) return fail(ErrorCode::kFailed, "a segment could not be encrypted");
  return {};
}

Result<std::string> SegmentCodec::decrypt(std::uint64_t codec, std::string_view data,
                                          const SegmentHead& head) {
  const Key* key = find_key(keys_, key_of_codec(codec));
  if (key == nullptr) {
    return fail(ErrorCode::kInvalid, fmt::format("it is encrypted with the key {:08x}, which "
                                                 "store.encryption.key does not have",
                                                 key_of_codec(codec)));
  }
  if (data.size() < kNonceBytes + kTagBytes) return fail(ErrorCode::kCorrupt, "it is too short");
  const std::string_view nonce = data.substr(0, kNonceBytes);
  std::string tag(data.substr(kNonceBytes, kTagBytes));
  const std::string_view text = data.substr(kNonceBytes + kTagBytes);
  const std::string aad = associated(codec, head);
  std::string body(text.size(), '\0');
  const Cipher cipher(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool done =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, key->bytes.data(),
                         bytes_of(nonce)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &length, bytes_of(aad),
                        static_cast<int>(aad.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(body), &length, bytes_of(text),
                        static_cast<int>(text.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), bytes_of(body) + length, &length) == 1;
  if (!done) return fail(ErrorCode::kCorrupt, "its authentication tag is wrong");
  return body;
}

std::uint32_t key_of_codec(std::uint64_t codec) {
  return (codec & kEncrypted) != 0 ? static_cast<std::uint32_t>(codec >> kKeyShift) : 0;
}

}  // namespace tg::store
