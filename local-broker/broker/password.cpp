#include "local-broker/broker/password.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "daemon/base/assert.h"
#include "daemon/base/bytes.h"

namespace tg::broker {
namespace {

constexpr std::size_t kHashBytes = 64;
constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kMaxField = 1024;
constexpr int kMaxIterations = 10'000'000;

using Bytes = std::vector<unsigned char>;
using Digest = std::array<unsigned char, kHashBytes>;

std::optional<Bytes> from_base64(std::string_view text) {
  if (text.empty() || text.size() > kMaxField || text.size() % 4 != 0) return std::nullopt;
  Bytes bytes(text.size() / 4 * 3);
  const int count =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (count < 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
  bytes.resize(static_cast<std::size_t>(count) - padding);
  return bytes;
}

struct Hash {
  int iterations = 0;  // 0: form $6$
  Bytes salt;
  Bytes digest;
};

std::string_view cut(std::string_view& text) {
  const std::size_t at = text.find('$');
  const std::string_view field = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return field;
}

std::optional<Hash> parse(std::string_view text) {
  Hash hash;
  if (text.starts_with("$7$")) {
    text.remove_prefix(3);
    const std::string_view number = cut(text);
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), hash.iterations);
    if (error != std::errc() || end != number.data() + number.size()) return std::nullopt;
    if (hash.iterations < 1 || hash.iterations > kMaxIterations) return std::nullopt;
  } else if (text.starts_with("$6$")) {
    text.remove_prefix(3);
  } else {
    return std::nullopt;
  }
  auto salt = from_base64(cut(text));
  auto digest = from_base64(text);
  if (!salt || !digest || digest->size() != kHashBytes) return std::nullopt;
  hash.salt = std::move(*salt);
  hash.digest = std::move(*digest);
  return hash;
}

Digest pbkdf2(std::string_view password, const Bytes& salt, int iterations) {
  Digest digest;
  TG_ASSERT(PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), salt.data(),
                              static_cast<int>(salt.size()), iterations, EVP_sha512(),
                              static_cast<int>(digest.size()), digest.data()) == 1);
  return digest;
}

Digest sha512(std::string_view password, const Bytes& salt) {
  std::string text(password);
  text.append(reinterpret_cast<const char*>(salt.data()), salt.size());
  Digest digest;
  TG_ASSERT(EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha512(), nullptr) ==
            1);
  OPENSSL_cleanse(text.data(), text.size());
  return digest;
}

template <class T>
std::string in_base64(const T& bytes) {
  return base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

}  // namespace

std::string hash_password(std::string_view password, int iterations) {
  Bytes salt(kSaltBytes);
  TG_ASSERT(RAND_bytes(salt.data(), static_cast<int>(salt.size())) == 1);
  return fmt::format("$7${}${}${}", iterations, in_base64(salt),
                     in_base64(pbkdf2(password, salt, iterations)));
}

bool is_right_password(std::string_view hash, std::string_view password) {
  const auto known = parse(hash);
  if (!known) return false;
  const Digest digest = known->iterations > 0 ? pbkdf2(password, known->salt, known->iterations)
                                              : sha512(password, known->salt);
  return CRYPTO_memcmp(digest.data(), known->digest.data(), digest.size()) == 0;
}

bool is_password_hash(std::string_view text) { return parse(text).has_value(); }

}  // namespace tg::broker
