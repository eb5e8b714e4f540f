#include "daemon/app/admin_tokens.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace tg::app {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 64 * 1024;
constexpr std::size_t kMaxTokens = 100;
constexpr std::size_t kMinTokenLength = 16;

bool is_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace

Result<AdminTokens> AdminTokens::load(const std::filesystem::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) {
    return fail(ErrorCode::kIo, fmt::format("{}: {}", file.string(), std::strerror(errno)));
  }
  if ((info.st_mode & S_IRWXO) != 0) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: others may read it; chmod 0640 it", file.string()));
  }
  if (static_cast<std::uintmax_t>(info.st_size) > kMaxFileBytes) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: larger than 64 KiB", file.string()));
  }
  std::ifstream input(file);
  std::stringstream text;
  text << input.rdbuf();
  if (!input) return fail(ErrorCode::kIo, fmt::format("{}: cannot be read", file.string()));
  auto tokens = parse(text.str());
  if (!tokens) {
    return fail(tokens.error().code, fmt::format("{}:{}", file.string(), tokens.error().message));
  }
  return tokens;
}

Result<AdminTokens> AdminTokens::parse(std::string_view text) {
  AdminTokens tokens;
  std::istringstream input{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(input, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first == std::string::npos ? first : first + 1);
    if (second == std::string::npos || first == 0) {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{}: not NAME:read:TOKEN or NAME:change:TOKEN", number));
    }
    const std::string right = line.substr(first + 1, second - first - 1);
    if (right != "read" && right != "change") {
      return fail(ErrorCode::kInvalid,
                  fmt::format("{}: \"{}\" is neither read nor change", number, right));
    }
    std::string token = line.substr(second + 1);
    if (token.size() < kMinTokenLength) {
      return fail(ErrorCode::kInvalid, fmt::format("{}: the token has fewer than {} characters",
                                                   number, kMinTokenLength));
    }
    if (tokens.entries_.size() >= kMaxTokens) {
      return fail(ErrorCode::kInvalid, fmt::format("{}: more than {} tokens", number, kMaxTokens));
    }
    tokens.entries_.push_back(
        {{line.substr(0, first), right == "read" ? Access::kRead : Access::kChange},
         std::move(token)});
  }
  return tokens;
}

std::optional<AdminTokens::Holder> AdminTokens::find(std::string_view token) const {
  std::optional<Holder> found;
  for (const auto& entry : entries_) {
    if (is_equal(entry.token, token)) found = entry.holder;
  }
  return found;
}

}  // namespace tg::app
