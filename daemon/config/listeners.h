// What must hold for the broker's listeners: nobody comes in unproven over a network unless the
// file says so in words.
#pragma once

#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

void check_listeners(const Config& config, const Value& tree, std::vector<Problem>& errors,
                     std::vector<Problem>& warnings);

// The place of a listener's key (`tls.crl`), else of what is nearest to it.
[[nodiscard]] Place listener_place(const Value& tree, std::size_t index, std::string_view key);

}  // namespace tg::config
