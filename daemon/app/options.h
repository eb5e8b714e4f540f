// From the configuration to the options of each floor. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/pipeline/router.h"
#include "daemon/plugin_host/host.h"
#include "daemon/store/store.h"
#include "daemon/uplink/uplink.h"

namespace tg::app {

[[nodiscard]] store::StoreOptions store_options(const config::Config& config);
[[nodiscard]] std::vector<pipeline::Route> routes(const config::Config& config,
                                                  const store::Store& store);
// Of the local side.
[[nodiscard]] std::vector<std::string> bridged_filters(const config::Config& config);
[[nodiscard]] Result<uplink::UplinkOptions> uplink_options(const config::Config& config,
                                                           const config::Cloud& cloud);

[[nodiscard]] std::vector<plugin_host::ProcessorOptions> processor_options(
    const config::Config& config);

}  // namespace tg::app
