// Opens the files that a configuration names: certificates, keys, authorities, revocation lists,
// users, plugins. What is wrong with them joins its errors and warnings, whatever else is wrong.
// Not on the loop's thread once it runs.
#pragma once

#include "daemon/config/load.h"

namespace tg::app {

void check_files(config::LoadResult& loaded);
// Warns of log components that this program does not have; so only in the daemon, which has all.
void check_components(config::LoadResult& loaded);

}  // namespace tg::app
