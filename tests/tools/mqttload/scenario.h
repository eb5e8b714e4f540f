// Who subscribes to what, who publishes where, and how many deliveries that makes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/tools/mqttload/options.h"

namespace tg::load {

struct Topic {
  std::string name;
  // Deliveries expected of one publish: each client once, and each matching filter once. Both are
  // right for filters of one client that overlap.
  std::uint64_t fewest = 0;
  std::uint64_t most = 0;
};

struct Scenario {
  std::vector<std::vector<std::string>> filters;  // by subscriber
  std::vector<std::vector<Topic>> topics;         // by publisher
};

[[nodiscard]] Scenario make_scenario(const Options& options);

}  // namespace tg::load
