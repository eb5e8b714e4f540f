// A run as a picture: rates, backlog and latency over time, one below the other on one time axis,
// outages shaded, stages of the load marked. SVG without script or style sheet. Pure.
#pragma once

#include <string>

#include "tests/sim/report.h"

namespace tg::sim {

[[nodiscard]] std::string plot_svg(const Report& report);

}  // namespace tg::sim
