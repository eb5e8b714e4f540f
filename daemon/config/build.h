// From a tree that has passed check_tree to a Config: defaults, file names, secrets. What
// one key alone cannot tell is validate.h's.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

[[nodiscard]] Config build(const Value& tree, const std::filesystem::path& folder,
                           std::vector<Problem>& errors, std::vector<Problem>& warnings);

// The processor that an export names instead of an uplink: a sink. Else null.
[[nodiscard]] const Processor* find_sink(const Config& config, std::string_view to);

// After validate(): an export to a sink is an instance of it, a processor of the export's name.
// What stands without an input among the processors was there for that, and goes; so does one whose
// output is a topic: what it would read stays in its stream.
void feed_sinks(Config& config);

}  // namespace tg::config
