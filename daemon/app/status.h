// The state of the gateway for people and programs: the JSON document of GET /api/v1/status (its
// shape stands in docs/operations.md), the line for systemd, and the gauges that are read rather
// than kept. Pure but for what it reads. Thread: the loop's.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "daemon/app/parts.h"

namespace tg::app {

[[nodiscard]] nlohmann::ordered_json status_json(const Parts& parts);
// Parts of it: streams[], readers[].
[[nodiscard]] nlohmann::ordered_json streams_json(const Parts& parts);
[[nodiscard]] nlohmann::ordered_json readers_json(const Parts& parts);
[[nodiscard]] std::string status_line(const Parts& parts);
void update_gauges(const Parts& parts, Metrics& metrics);

}  // namespace tg::app
