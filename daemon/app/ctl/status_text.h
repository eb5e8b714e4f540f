// The status document (GET /api/v1/status, see docs/operations.md) as one screen of text.
// Pure. Fields that are missing are left out, so that an older daemon can be asked too.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tg::ctl {

[[nodiscard]] std::string status_text(const nlohmann::ordered_json& status);

}  // namespace tg::ctl
