// Damaged files of the store are moved aside whole: DIR/quarantine/TIME/ gets streams.db, its WAL
// and the copy of its first page. A set counts against the budget. Once it has been salvaged (file
// `salvaged` beside it says what was found) it goes as soon as room is needed, and before another
// one comes.
//
// Thread: any; the caller sees to it that the database is closed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "daemon/base/result.h"

namespace tg::store {

// Moves the files aside; where they are now.
Result<std::filesystem::path> quarantine(const std::filesystem::path& file, std::int64_t wall_ms);

// The oldest set whose salvage has not been finished.
[[nodiscard]] std::optional<std::filesystem::path> unsalvaged_set(
    const std::filesystem::path& data_dir);
void mark_salvaged(const std::filesystem::path& set, const std::string& text);
// True when there was one.
bool remove_salvaged_set(const std::filesystem::path& data_dir);

// SQLite finds nothing in a file whose first page is destroyed, or that is shorter than that page
// says. Puts the kept copy of the page back and makes the file as long as it was.
void mend_head(const std::filesystem::path& file);

}  // namespace tg::store
