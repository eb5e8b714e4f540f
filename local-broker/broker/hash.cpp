#include "local-broker/broker/hash.h"

#include <cstring>
#include <random>

namespace tg::broker {
namespace {

constexpr std::uint64_t kOdd1 = 0xA0761D6478BD642FULL;
constexpr std::uint64_t kOdd2 = 0xE7037ED1A0B428DBULL;

__extension__ using Wide = unsigned __int128;

std::uint64_t random_word() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32U | device();
}

const std::uint64_t kSeed = random_word();

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64U);
}

template <class Word>
std::uint64_t load(const char* p) {
  Word word = 0;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

std::uint64_t byte_at(const char* p, std::size_t index) {
  return static_cast<std::uint8_t>(p[index]);
}

// The last 0..16 bytes as two words; they may overlap.
std::uint64_t fold_tail(const char* p, std::size_t count, std::uint64_t hash) {
  std::uint64_t a = 0;
  std::uint64_t b = 0;
  if (count >= 8) {
    a = load<std::uint64_t>(p);
    b = load<std::uint64_t>(p + count - 8);
  } else if (count >= 4) {
    a = load<std::uint32_t>(p);
    b = load<std::uint32_t>(p + count - 4);
  } else if (count > 0) {
    a = byte_at(p, 0) << 16U | byte_at(p, count / 2) << 8U | byte_at(p, count - 1);
  }
  return fold(a ^ kOdd2, b ^ hash);
}

}  // namespace

std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t salt) {
  std::uint64_t hash = kSeed ^ fold(salt ^ kOdd1, bytes.size() ^ kOdd2);
  const char* p = bytes.data();
  std::size_t left = bytes.size();
  for (; left > 16; p += 16, left -= 16) {
    hash = fold(load<std::uint64_t>(p) ^ kOdd1, load<std::uint64_t>(p + 8) ^ hash);
  }
  return fold(fold_tail(p, left, hash), kOdd1);
}

}  // namespace tg::broker
