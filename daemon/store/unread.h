// What a data directory holds that its readers have not had yet, for the package's removal: read
// without the daemon, nothing is changed.
#pragma once

#include <cstdint>
#include <filesystem>

#include "daemon/base/result.h"

namespace tg::store {

// Records that a reader (an export, a processor) has not passed, summed over the readers, detached
// ones too. 0 when the directory has no database.
[[nodiscard]] Result<std::uint64_t> count_unread(const std::filesystem::path& directory);

}  // namespace tg::store
