// Exit codes of tidegated. Stable: units and scripts rely on them.
#pragma once

namespace tg::app {

inline constexpr int kExitOk = 0;  // stopped by SIGTERM or SIGINT; or the configuration is valid
inline constexpr int kExitConfig = 1;    // the configuration is invalid
inline constexpr int kExitUsage = 2;     // the command line is wrong
inline constexpr int kExitStart = 3;     // could not start: port in use, data directory, store
inline constexpr int kExitInternal = 4;  // an error that should not be

}  // namespace tg::app
