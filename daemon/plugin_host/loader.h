// Loads plugins: finds libtidegate_NAME.so, opens it (RTLD_NOW | RTLD_LOCAL), checks its table.
// A library is never closed again: its code may still be on some thread's stack.
//
// Thread: any, at start.
#pragma once

#include <tidegate/plugin.h>

#include <string>
#include <vector>

#include "daemon/base/result.h"

namespace tg::plugin_host {

// `name` is letters, digits, - and _. The error says which files were tried.
Result<std::string> find_plugin(const std::string& name, const std::vector<std::string>& paths);

// Errors say why the file was not taken.
Result<const tidegate_plugin*> load_plugin(const std::string& name,
                                           const std::vector<std::string>& paths);

// Is this table one that this host can run?
Result<void> check_table(const tidegate_plugin* table, const std::string& file);

}  // namespace tg::plugin_host
