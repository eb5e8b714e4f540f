// The status document (GET /api/v1/status, see docs/operations.md) as one screen of text.
// Pure. Fields that are missing are left out, so that an older daemon can be asked too.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tg::app {

[[nodiscard]] std::string status_text(const nlohmann::json& status);

// 3661 -> "1h 1m", 59 -> "59s"; negative -> "-".
[[nodiscard]] std::string duration_text(double seconds);
// 1536 -> "1.5 KiB".
[[nodiscard]] std::string size_text(double bytes);

}  // namespace tg::app
