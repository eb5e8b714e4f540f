// What one key alone cannot tell: names that must exist, names that must not repeat, topic filters,
// cycles.
#pragma once

#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

// `tree`: where the places for the messages come from.
void validate(const Config& config, const Value& tree, std::vector<Problem>& errors,
              std::vector<Problem>& warnings);

}  // namespace tg::config
