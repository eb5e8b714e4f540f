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
  std::optional<Config> config;   // there when `errors` is empty
  std::optional<Config> partial;  // else what is sound in it, for more to be said about the rest
  Value written;                  // merged
  Value tree;  // merged and expanded: for effective(), differences() and the places of findings
  std::vector<Source> sources;  // the file and those of conf.d, as they were read
  std::vector<Problem> errors;
  std::vector<Problem> warnings;

  // Null when the file could not be read.
  [[nodiscard]] Config* config_or_partial();
  // Of a file that a key names. A key that has an error already is not worth another.
  void add_finding(Problem problem, bool is_warning);
};

// folder: what relative names in it are relative to; empty = the file's own.
[[nodiscard]] LoadResult load(const std::filesystem::path& file,
                              const std::filesystem::path& folder = {});

// What counts of a valid file that is read while the gateway runs: keys that only a restart changes
// have their values of `started`, the tree it started with.
[[nodiscard]] LoadResult as_running(const LoadResult& loaded, const Value& started,
                                    const std::filesystem::path& file);

}  // namespace tg::config
