// The archive's part of the configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace archive {

struct Settings {
  std::string directory;                      // absolute
  std::uint64_t max_file_size = 16ULL << 20;  // compressed, as it lies on the disk
  std::int64_t max_file_age_ms = 86'400'000;  // since its first record was written
  std::uint64_t max_total_size = 1ULL << 30;  // all files of the instance
  int compression_level = 3;
  std::int64_t flush_interval_ms = 1000;
};

// Throws std::invalid_argument, which names the key.
[[nodiscard]] Settings parse_settings(std::string_view json_text);

}  // namespace archive
