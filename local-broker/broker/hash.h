// A seeded 64-bit hash of bytes: multiply-and-fold over eight bytes at a time. The seed is random
// per process, so that peers cannot choose colliding topics.
#pragma once

#include <cstdint>
#include <string_view>

namespace tg::broker {

[[nodiscard]] std::uint64_t hash_bytes(std::string_view bytes, std::uint64_t salt = 0);

}  // namespace tg::broker
