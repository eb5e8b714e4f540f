// Passwords of listeners' users, kept as mosquitto's password files keep them:
//   $7$ITERATIONS$SALT$HASH   PBKDF2 with HMAC-SHA512, 64 bytes; salt and hash in base64
//   $6$SALT$HASH              SHA-512 of password and salt; read, but not written
#pragma once

#include <string>
#include <string_view>

namespace tg::broker {

// A guess costs as much as a login. More makes both dearer: a gateway has one thread for it.
inline constexpr int kPasswordIterations = 10'000;

[[nodiscard]] std::string hash_password(std::string_view password,
                                        int iterations = kPasswordIterations);
// False for a hash that is not of these forms, too.
[[nodiscard]] bool is_right_password(std::string_view hash, std::string_view password);
[[nodiscard]] bool is_password_hash(std::string_view text);

}  // namespace tg::broker
