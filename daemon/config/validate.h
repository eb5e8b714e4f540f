// What one key alone cannot tell: names that must exist, names that must not repeat, topic filters,
// cycles.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

// Where an uplink of Config::uplinks stands, and its path: cloud, uplinks[0], …
struct UplinkSection {
  const Value* value;
  std::string path;
};
[[nodiscard]] UplinkSection uplink_section(const Value& tree, std::size_t uplink);

// `tree`: where the places for the messages come from.
void validate(const Config& config, const Value& tree, std::vector<Problem>& errors,
              std::vector<Problem>& warnings);

}  // namespace tg::config
