// Keys of the store's encryption, as a file or credential holds them: one a line, as 64 hex digits
// or as the base64 of 32 bytes; empty lines and lines that begin with # do not count. The first
// encrypts; the others only decrypt what was written before the key was changed. A file of exactly
// 32 bytes that is no such text is one key.
//
// Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace tg::store {

struct Key {
  std::array<std::uint8_t, 32> bytes{};
  std::uint32_t id = 0;  // of its SHA-256; stands beside what it encrypts
};

// An error names the line, never its content.
Result<std::vector<Key>> parse_keys(std::string_view text);

[[nodiscard]] const Key* find_key(const std::vector<Key>& keys, std::uint32_t id);

}  // namespace tg::store
