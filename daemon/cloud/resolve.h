// Names to addresses. Blocks for as long as the resolver does: cloud thread only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace tg::cloud {

// Numeric addresses of a host, in the resolver's order (RFC 6724), without repetitions; never
// empty.
[[nodiscard]] Result<std::vector<std::string>> resolve(const std::string& host);

}  // namespace tg::cloud
