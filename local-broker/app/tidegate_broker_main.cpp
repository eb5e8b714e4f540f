// tidegate-broker: the MQTT broker alone. Nothing stored; for conformance and load tests and for
// sites that only want a broker. With --config it takes the listeners and limits of the section
// `broker` and the levels of the section `log` of a tidegate.yaml, else one anonymous listener.
// SIGHUP: certificates are read anew.
#include <fmt/core.h>
#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/broker_config.h"
#include "daemon/app/describe.h"
#include "daemon/app/log_levels.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/config/load.h"
#include "local-broker/broker/broker.h"

namespace {

const tg::log::Component kLog{"main"};
volatile sig_atomic_t g_stop = 0;
volatile sig_atomic_t g_reload = 0;

void on_stop(int /*signal*/) { g_stop = 1; }
void on_reload(int /*signal*/) { g_reload = 1; }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  action.sa_handler = on_reload;
  ::sigaction(SIGHUP, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

tg::config::Listener plain_listener(const std::string& address, std::uint16_t port) {
  const bool is_v6 = address.find(':') != std::string::npos;
  tg::config::Listener listener;
  listener.name = "main";
  listener.address =
      is_v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
  listener.anonymous = true;
  return listener;
}

// Nothing when the file is wrong; what is wrong has been logged. Without listeners in the file it
// has those that are given.
std::optional<tg::config::Config> read_file(const std::string& file,
                                            std::vector<tg::config::Listener> listeners) {
  auto loaded = tg::config::load(file);
  tg::app::check_listener_files(loaded);
  for (const auto& problem : loaded.warnings) tg::log::warning(kLog, "{}", problem.text());
  for (const auto& problem : loaded.errors) tg::log::error(kLog, "{}", problem.text());
  if (!loaded.errors.empty()) return std::nullopt;
  const auto* section = loaded.tree.find("broker");
  const bool names_some = section != nullptr && section->find("listeners") != nullptr;
  if (!names_some && !listeners.empty()) loaded.config->listeners.clear();
  for (auto& listener : listeners) loaded.config->listeners.push_back(std::move(listener));
  return std::move(loaded.config);
}

int run(tg::broker::BrokerOptions options, const tg::config::Config& config) {
  options.version = TIDEGATE_VERSION;
  const tg::SystemClock clock;
  tg::Metrics metrics;
  tg::broker::Hooks hooks;
  tg::app::raise_descriptor_limit(options.max_connections);
  tg::broker::Broker broker(options, hooks, clock, metrics);
  if (const auto done = tg::app::open_listeners(broker, config); !done) {
    tg::log::error(kLog, "{}", done.error().message);
    return EXIT_FAILURE;
  }
  while (g_stop == 0) {
    broker.poll(1000);
    if (g_reload == 0) continue;
    g_reload = 0;
    tg::app::reload_listeners(broker, config);
  }
  broker.stop_listening();
  broker.disconnect_all();
  tg::log::flush();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The MQTT broker of Tidegate");
  std::string address = "127.0.0.1";
  std::string file;
  std::uint16_t port = 1883;
  app.add_option("--port", port, "TCP port; 0 = any free one")->capture_default_str();
  app.add_option("--address", address, "Address to listen on")->capture_default_str();
  app.add_option("--config", file,
                 "Take listeners and limits (section broker) and levels (log) from this file");
  app.set_version_flag("--version", "tidegate-broker " TIDEGATE_VERSION);
  if (tg::app::was_described(app, "tidegate-broker", argc, argv)) return EXIT_SUCCESS;
  CLI11_PARSE(app, argc, argv);
  catch_signals();
  if (file.empty()) {
    tg::broker::BrokerOptions options;
    options.max_inflight = options.receive_maximum;  // what a client may send, another one may get
    tg::config::Config config;
    config.listeners = {plain_listener(address, port)};
    return run(options, config);
  }
  std::vector<tg::config::Listener> listeners;
  if (app.count("--port") > 0) listeners.push_back(plain_listener(address, port));
  const auto config = read_file(file, std::move(listeners));
  if (!config) return EXIT_FAILURE;
  tg::app::set_log_levels(*config);
  return run(tg::app::broker_options(*config), *config);
}
