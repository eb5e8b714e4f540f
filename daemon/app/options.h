// From the configuration to the options of each floor. Pure.
#pragma once

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
// The endpoints of the configuration that this version can use; at least one, else an error.
[[nodiscard]] Result<uplink::UplinkOptions> uplink_options(const config::Config& config);

[[nodiscard]] std::vector<plugin_host::ProcessorOptions> processor_options(
    const config::Config& config);

}  // namespace tg::app
