// Reads a configuration file whole: every error at once, each with file:line, the key's path, the
// value and what would be right.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

struct LoadResult {
  std::optional<Config> config;  // there when `errors` is empty
  std::vector<Problem> errors;
  std::vector<Problem> warnings;
};

[[nodiscard]] LoadResult load(const std::filesystem::path& file);

}  // namespace tg::config
