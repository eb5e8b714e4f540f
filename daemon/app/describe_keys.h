// The table of configuration keys as JSON, for the man page tidegate.yaml(5):
//   [{"path", "type", "default", "values", "live", "available", "min", "max", "help"}]
// min and max are null where any value goes.
#pragma once

#include <string>

namespace tg::app {

[[nodiscard]] std::string describe_keys();

}  // namespace tg::app
