#include "daemon/app/broker_config.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/config/listeners.h"
#include "local-broker/broker/transport/activation.h"
#include "local-broker/broker/transport/tls_context.h"
#include "local-broker/broker/users.h"

namespace tg::app {
namespace {

const log::Component kLog{"listeners"};

}  // namespace

broker::BrokerOptions broker_options(const config::Config& config) {
  const auto& limits = config.limits;
  broker::BrokerOptions options;
  options.max_connections = limits.max_connections;
  options.max_packet_size = limits.max_packet_size;
  options.receive_maximum = static_cast<std::uint16_t>(limits.receive_maximum);
  options.max_inflight = static_cast<std::uint16_t>(limits.max_inflight);
  options.max_queued = limits.max_queued;
  options.max_queued_bytes = limits.max_queued_bytes;
  options.total_memory = limits.total_memory;
  options.session_expiry_ms = limits.session_expiry_ms;
  options.refuse_grace_ms = limits.reject_grace_ms;
  options.max_keep_alive_s = static_cast<std::uint32_t>(limits.max_keep_alive_ms / 1000);
  return options;
}

broker::ListenerOptions listener_options(const config::Listener& listener) {
  broker::ListenerOptions options;
  options.name = listener.name;
  options.address = listener.address;
  // Who may open a Unix socket is the business of its group.
  const bool is_unix = listener.address.starts_with("unix:");
  options.anonymous = listener.anonymous || (is_unix && listener.users.empty());
  options.trusted = listener.trusted;
  options.users = listener.users;
  options.proxy_protocol = listener.proxy_protocol;
  options.web_socket = listener.web_socket;
  options.origins = listener.origins;
  options.max_connections = listener.max_connections;
  if (listener.tls) {
    options.tls = broker::TlsOptions{listener.tls->certificate, listener.tls->private_key,
                                     listener.tls->client_ca, listener.tls->crl};
    for (const auto& [name, certificate, private_key] : listener.tls->names) {
      options.tls->names.push_back({name, certificate, private_key});
    }
  }
  return options;
}

void raise_descriptor_limit(std::size_t connections) {
  constexpr rlim_t kForTheRest = 256;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::max(limit.rlim_cur, std::min(limit.rlim_max, connections + kForTheRest));
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<void> open_listeners(broker::Broker& broker, const config::Config& config) {
  auto inherited = broker::InheritedSockets::from_environment();
  for (const auto& listener : config.listeners) {
    const auto port =
        broker.listen(listener_options(listener), inherited.take(listener.name, listener.address));
    if (!port) return tl::unexpected(port.error());
  }
  for (const auto& socket : inherited.left()) {
    log::warning(kLog, "an inherited socket fits no listener and is closed: {}", socket);
  }
  return {};
}

void reload_listeners(broker::Broker& broker, const config::Config& config) {
  for (const auto& listener : config.listeners) {
    const auto done = broker.reload(listener_options(listener));
    if (!done) log::error(kLog, "{}; what was read before stays", done.error().message);
  }
}

void check_listener_files(config::LoadResult& loaded) {
  const config::Config* config = loaded.config_or_partial();
  if (config == nullptr) return;
  for (std::size_t i = 0; i < config->listeners.size(); ++i) {
    const auto options = listener_options(config->listeners[i]);
    const auto add = [&](const std::string& key, std::string message, bool is_warning) {
      loaded.add_finding({config::listener_place(loaded.tree, i, key),
                          fmt::format("broker.listeners[{}].{}", i, key), std::move(message)},
                         is_warning);
    };
    if (options.tls) {
      for (auto& problem : broker::TlsContext::check(*options.tls)) {
        add(fmt::format("tls.{}", problem.key), std::move(problem.message), problem.is_warning);
      }
    }
    if (options.users.empty()) continue;
    if (const auto users = broker::Users::load(options.users); !users) {
      add("users", users.error().message, false);
    }
  }
  if (!loaded.errors.empty()) loaded.config.reset();
}

}  // namespace tg::app
