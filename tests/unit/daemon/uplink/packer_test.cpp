#include "daemon/uplink/packer.h"

#include <zlib.h>
#include <zstd.h>

#include <catch2/catch.hpp>
#include <string>

using namespace tg::uplink;

namespace {

std::string unzstd(const std::string& packed) {
  std::string out(4 << 20, '\0');
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  REQUIRE_FALSE(ZSTD_isError(size));
  out.resize(size);
  return out;
}

std::string ungzip(const std::string& packed) {
  std::string out(4 << 20, '\0');
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  CHECK(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  CHECK(stream.avail_in == 0);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

std::string unpack(Compression compression, const std::string& packed) {
  if (compression == Compression::kNone) return packed;
  return compression == Compression::kZstd ? unzstd(packed) : ungzip(packed);
}

// Text that compresses by about `repeat`, or noise with repeat 0.
std::string bytes_of(std::size_t size, bool noise) {
  std::string out;
  std::uint64_t state = 42;
  while (out.size() < size) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    if (noise) {
      out += static_cast<char>(state >> 56);
    } else {
      out += "{\"t\":" + std::to_string((state >> 40) % 100) + "},";
    }
  }
  out.resize(size);
  return out;
}

}  // namespace

TEST_CASE("what was packed comes out again, whole and in pieces, one payload after the other") {
  const Compression compression =
      GENERATE(Compression::kNone, Compression::kZstd, Compression::kGzip);
  Packer packer(compression);
  for (const std::size_t size : {0, 1, 100, 20'000, 500'000}) {
    const std::string text = bytes_of(size, size == 20'000);
    for (std::size_t at = 0; at < size; at += 777) {
      packer.append(std::string_view(text).substr(at, 777));
    }
    CHECK(packer.raw_size() == size);
    const std::string packed = packer.finish();
    CHECK(unpack(compression, packed) == text);
    CHECK(packer.raw_size() == 0);
  }
}

TEST_CASE("what fits is never larger than the limit, whatever the bytes are") {
  const Compression compression =
      GENERATE(Compression::kNone, Compression::kZstd, Compression::kGzip);
  const bool noise = GENERATE(false, true);
  const std::size_t limit = GENERATE(1000, 5120, 61'440);
  const std::size_t step = GENERATE(10, 333, 5000);
  static const std::string kQuiet = bytes_of(3 << 20, false);
  static const std::string kNoise = bytes_of(3 << 20, true);
  const std::string& text = noise ? kNoise : kQuiet;
  Packer packer(compression);
  std::size_t at = 0;
  while (at + step < text.size() && packer.fits(step, limit)) {
    packer.append(std::string_view(text).substr(at, step));
    at += step;
  }
  const std::string packed = packer.finish();
  if (at > 0) CHECK(packed.size() <= limit);
  CHECK(unpack(compression, packed) == text.substr(0, at));
}

TEST_CASE("clear() forgets a half-made payload") {
  const Compression compression = GENERATE(Compression::kZstd, Compression::kGzip);
  Packer packer(compression);
  packer.append(bytes_of(300'000, true));
  packer.clear();
  packer.append("abc");
  CHECK(unpack(compression, packer.finish()) == "abc");
}
