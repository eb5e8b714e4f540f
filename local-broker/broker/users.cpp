#include "local-broker/broker/users.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cerrno>
#include <fstream>
#include <system_error>

#include "daemon/base/assert.h"
#include "local-broker/broker/password.h"

namespace tg::broker {
namespace {

constexpr std::size_t kMaxBytes = 4 << 20;
constexpr std::size_t kMaxUsers = 100'000;

}  // namespace

Users::Users() { TG_ASSERT(RAND_bytes(secret_.data(), static_cast<int>(secret_.size())) == 1); }

Result<std::unique_ptr<Users>> Users::load(const std::string& file) {
  std::ifstream input(file);
  if (!input) {
    return fail(ErrorCode::kIo,
                fmt::format("{} cannot be read: {}", file, std::generic_category().message(errno)));
  }
  std::unique_ptr<Users> users(new Users());
  std::string line;
  std::size_t bytes = 0;
  const auto wrong = [&file](int number, const char* what) {
    return fail(ErrorCode::kInvalid, fmt::format("{}:{}: {}", file, number, what));
  };
  for (int number = 1; std::getline(input, line); ++number) {
    bytes += line.size();
    if (bytes > kMaxBytes || users->hashes_.size() > kMaxUsers) {
      return wrong(number, "more than 4 MiB or 100000 users");
    }
    if (line.empty() || line.front() == '#') continue;
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string::npos) return wrong(number, "is not NAME:HASH");
    std::string hash = line.substr(colon + 1);
    if (!is_password_hash(hash)) {
      return wrong(number, "the hash is neither $7$… nor $6$… (tidegatectl users add makes one)");
    }
    if (!users->hashes_.emplace(line.substr(0, colon), std::move(hash)).second) {
      return wrong(number, "this user stands here twice");
    }
  }
  return users;
}

std::string_view Users::hash_of(std::string_view name) const {
  const auto at = hashes_.find(std::string(name));
  return at == hashes_.end() ? std::string_view{} : std::string_view(at->second);
}

Users::Digest Users::digest_of(std::string_view name, std::string_view password) const {
  const std::string text = fmt::format("{}\n{}:{}", password, name.size(), name);
  Digest digest;
  unsigned int length = 0;
  TG_ASSERT(HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
                 reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
                 &length) != nullptr);
  return digest;
}

bool Users::was_right(const std::string& name, std::string_view password) const {
  const auto at = right_.find(name);
  if (at == right_.end()) return false;
  const Digest digest = digest_of(name, password);
  return CRYPTO_memcmp(digest.data(), at->second.data(), digest.size()) == 0;
}

void Users::remember_right(const std::string& name, std::string_view password) {
  if (hashes_.contains(name)) right_[name] = digest_of(name, password);
}

}  // namespace tg::broker
