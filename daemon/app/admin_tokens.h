// The bearer tokens of the admin interface over TCP, from a file:
//
//   line := NAME ":" ("read" | "change") ":" TOKEN     one a line; empty lines and # are left out
//
// NAME goes into the log, TOKEN has at least 16 characters. A file that others may read is refused.
//
// Pure but for load(). Limits: 64 KiB, 100 tokens.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/admin_routes.h"
#include "daemon/base/result.h"

namespace tg::app {

class AdminTokens {
 public:
  struct Holder {
    std::string name;
    Access access = Access::kRead;
  };

  AdminTokens() = default;  // nobody has one
  static Result<AdminTokens> load(const std::filesystem::path& file);
  static Result<AdminTokens> parse(std::string_view text);

  // Takes the same time for every wrong token of one length.
  [[nodiscard]] std::optional<Holder> find(std::string_view token) const;

 private:
  struct Entry {
    Holder holder;
    std::string token;
  };
  std::vector<Entry> entries_;
};

}  // namespace tg::app
