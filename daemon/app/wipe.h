// Factory reset (PRV-8): everything in the data directory goes, keys and the last good
// configuration included; the files in /etc stay, they belong to the administrator.
//
// The running daemon marks the directory, stops, and begins again; the start finds the mark and
// wipes first, so that a power cut in the middle is finished by the next start. The mark goes last.
#pragma once

#include <filesystem>

#include "daemon/base/result.h"

namespace tg::app {

Result<void> mark_for_wipe(const std::filesystem::path& data_dir);
[[nodiscard]] bool is_marked_for_wipe(const std::filesystem::path& data_dir);
Result<void> wipe(const std::filesystem::path& data_dir);

}  // namespace tg::app
