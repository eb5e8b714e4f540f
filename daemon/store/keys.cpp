#include "daemon/store/keys.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>

namespace tg::store {
namespace {

constexpr std::size_t kKeyBytes = 32;
using KeyBytes = std::array<std::uint8_t, kKeyBytes>;

std::optional<unsigned> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<unsigned>(c - 'A' + 10);
  return std::nullopt;
}

std::optional<KeyBytes> from_hex(std::string_view text) {
  if (text.size() != 2 * kKeyBytes) return std::nullopt;
  KeyBytes bytes{};
  for (std::size_t i = 0; i < kKeyBytes; ++i) {
    const auto high = digit(text[2 * i]);
    const auto low = digit(text[2 * i + 1]);
    if (!high || !low) return std::nullopt;
    bytes[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return bytes;
}

std::optional<KeyBytes> from_base64(std::string_view text) {
  std::array<std::uint8_t, 33> decoded{};
  if (text.size() != 44 || text.back() != '=' || text[42] == '=') return std::nullopt;
  if (EVP_DecodeBlock(decoded.data(), reinterpret_cast<const unsigned char*>(text.data()), 44) !=
      33) {
    return std::nullopt;
  }
  KeyBytes bytes;
  std::copy_n(decoded.begin(), kKeyBytes, bytes.begin());
  return bytes;
}

Key make_key(const KeyBytes& bytes) {
  static constexpr std::string_view kPurpose = "tidegate store key id";
  std::string input(kPurpose);
  input.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> hash{};
  EVP_Digest(input.data(), input.size(), hash.data(), nullptr, EVP_sha256(), nullptr);
  Key key;
  key.bytes = bytes;
  for (int i = 0; i < 4; ++i) key.id = key.id << 8 | hash[static_cast<std::size_t>(i)];
  return key;
}

std::string_view trim(std::string_view line) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  return line;
}

}  // namespace

Result<std::vector<Key>> parse_keys(std::string_view text) {
  if (text.size() == kKeyBytes && text.find('\n') != kKeyBytes - 1) {
    KeyBytes bytes;
    std::copy_n(text.begin(), kKeyBytes, bytes.begin());
    return std::vector<Key>{make_key(bytes)};
  }
  std::vector<Key> keys;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++number;
    if (line.empty() || line.front() == '#') continue;
    auto bytes = from_hex(line);
    if (!bytes) bytes = from_base64(line);
    if (!bytes) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("line {} of the key is neither 64 hex digits nor the base64 of 32 "
                              "bytes (make one with: openssl rand -hex 32)",
                              number));
    }
    keys.push_back(make_key(*bytes));
  }
  if (keys.empty()) return fail(ErrorCode::kInvalid, "the key is empty");
  return keys;
}

const Key* find_key(const std::vector<Key>& keys, std::uint32_t id) {
  const auto at =
      std::find_if(keys.begin(), keys.end(), [id](const Key& key) { return key.id == id; });
  return at == keys.end() ? nullptr : &*at;
}

}  // namespace tg::store
