// From the records of a segment to the bytes in its row and back: compressed, then encrypted.
//
//   codec  := bits 0-7 compression (0 none, 1 zstd), bit 8 encrypted, bits 16-47 id of the key
//   data   := body, or encrypted: nonce (12) tag (16) ciphertext of body
//   body   := records (record.h), or one zstd frame of them with its size in the header
//   crc    := crc32c(data): damage is told from a wrong key
//
// Encryption is AES-256-GCM with a random nonce; what the row says of itself (table, first_seq,
// count, codec) is authenticated with it, so that rows cannot be exchanged for one another.
//
// Thread: one thread at a time; the store thread and the reader thread have one each.
// RAM: a zstd context each way, made on first use (about 0.5 MiB), and a buffer of a segment.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/store/keys.h"
#include "daemon/store/store.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace tg::store {

struct SegmentHead {
  std::uint64_t table = 0;  // id of the stream
  Seq first = 0;
  std::uint64_t count = 0;
};

class SegmentCodec {
 public:
  explicit SegmentCodec(std::vector<Key> keys);
  ~SegmentCodec();
  SegmentCodec(const SegmentCodec&) = delete;
  SegmentCodec& operator=(const SegmentCodec&) = delete;

  struct Encoded {
    std::uint64_t codec = 0;
    std::uint32_t crc = 0;
    std::string_view data;  // valid until the next encode(), or as long as `records`
  };
  Result<Encoded> encode(std::string_view records, bool compress, const SegmentHead& head);

  // kCorrupt: the bytes are not what was written. kInvalid: the key is not there.
  Result<std::string> decode(std::uint64_t codec, std::uint64_t crc, std::string_view data,
                             const SegmentHead& head);

  // The codec of a body that encode() does not compress.
  [[nodiscard]] std::uint64_t encrypted_codec() const;
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }

 private:
  Result<void> compress(std::string_view records);
  Result<std::string> decompress(std::string_view body);
  Result<void> encrypt(std::string_view body, std::uint64_t codec, const SegmentHead& head);
  Result<std::string> decrypt(std::uint64_t codec, std::string_view data, const SegmentHead& head);

  const std::vector<Key> keys_;
  struct FreeCompressor {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  struct FreeDecompressor {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, FreeCompressor> compressor_;
  std::unique_ptr<ZSTD_DCtx_s, FreeDecompressor> decompressor_;
  std::string compressed_;
  std::string encrypted_;
};

// The key that a codec names; 0 = not encrypted.
[[nodiscard]] std::uint32_t key_of_codec(std::uint64_t codec);

}  // namespace tg::store
