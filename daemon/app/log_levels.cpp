#include "daemon/app/log_levels.h"

#include "daemon/base/log.h"

namespace tg::app {

void set_log_levels(const config::Config& config) {
  log::set_default_level(*log::parse_level(config.log_level));
  for (const auto& component : log::components()) log::clear_component_level(component.name);
  for (const auto& [component, level] : config.component_levels) {
    // One that is not there has been warned of (check_files.h).
    static_cast<void>(log::set_component_level(component, *log::parse_level(level)));
  }
}

}  // namespace tg::app
