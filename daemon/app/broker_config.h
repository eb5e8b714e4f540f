// The broker's part of the configuration as the broker takes it, for tidegated and tidegate-broker.
#pragma once

#include "daemon/config/config.h"
#include "daemon/config/load.h"
#include "local-broker/broker/broker.h"

namespace tg::app {

[[nodiscard]] broker::BrokerOptions broker_options(const config::Config& config);
[[nodiscard]] broker::ListenerOptions listener_options(const config::Listener& listener);

// A descriptor for each connection, and some for the rest.
void raise_descriptor_limit(std::size_t connections);

// All of them; those that systemd has opened are taken from it, by name or address.
[[nodiscard]] Result<void> open_listeners(broker::Broker& broker, const config::Config& config);

// Takes over what has changed of those that are open already, their certificates, keys and lists
// included. What is wrong is logged, and that listener stays as it is.
void reload_listeners(broker::Broker& broker, const config::Config& config);

// Opens the files that the listeners name; what is wrong with them joins the errors and warnings.
void check_listener_files(config::LoadResult& loaded);

}  // namespace tg::app
