// The levels of the section `log`, for tidegated and tidegate-broker. Thread: any.
#pragma once

#include "daemon/config/config.h"

namespace tg::app {

// Takes the place of what was set before, at run time too.
void set_log_levels(const config::Config& config);

}  // namespace tg::app
