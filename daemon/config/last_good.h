// The last configuration that worked, for a start that finds the file invalid.
//
//   DIR/last-good/origin          the absolute path of the file it is a copy of
//   DIR/last-good/NAME, conf.d/*  the file and those beside it, as they were read
//
// Written after each successful start and reload, mode 0700, replaced as a whole: a crash leaves
// the old one or the new one. Not written when nothing has changed. Relative names keep the meaning
// they have at the original's place.
#pragma once

#include <filesystem>
#include <optional>

#include "daemon/base/result.h"
#include "daemon/config/load.h"

namespace tg::config {

Result<void> save_last_good(const std::filesystem::path& file, const LoadResult& loaded,
                            const std::filesystem::path& data_dir);

// Nothing when there is none of this file, or it is not valid (any more).
[[nodiscard]] std::optional<LoadResult> load_last_good(const std::filesystem::path& file,
                                                       const std::filesystem::path& data_dir);

// gateway.data_dir, as far as it can be told from a file that may be broken: what the file says,
// else $STATE_DIRECTORY, else the default.
[[nodiscard]] std::filesystem::path find_data_dir(const std::filesystem::path& file,
                                                  const LoadResult& loaded);

}  // namespace tg::config
