// tidegate-broker: the MQTT broker alone. Anonymous, nothing stored; for conformance and load tests
// and for sites that only want a broker.
#include <fmt/core.h>
#include <signal.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "daemon/app/describe.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "local-broker/broker/broker.h"

namespace {

const tg::log::Component kLog{"main"};
volatile sig_atomic_t g_stop = 0;

void on_stop(int /*signal*/) { g_stop = 1; }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_stop;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

// A descriptor for each connection, and some for the rest.
void raise_descriptor_limit(std::size_t connections) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, connections + 64);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(const std::string& address, std::uint16_t port) {
  const tg::SystemClock clock;
  tg::Metrics metrics;
  tg::broker::Hooks hooks;
  tg::broker::BrokerOptions options;
  options.max_inflight = options.receive_maximum;  // what a client may send, another one may get
  raise_descriptor_limit(options.max_connections);
  tg::broker::Broker broker(options, hooks, clock, metrics);
  const bool is_v6 = address.find(':') != std::string::npos;
  const auto where =
      is_v6 ? fmt::format("[{}]:{}", address, port) : fmt::format("{}:{}", address, port);
  const auto bound = broker.listen({"main", where, true});
  if (!bound) {
    tg::log::error(kLog, "{}", bound.error().message);
    return EXIT_FAILURE;
  }
  while (g_stop == 0) broker.poll(1000);
  broker.stop_listening();
  broker.disconnect_all();
  tg::log::flush();
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("The MQTT broker of Tidegate");
  std::string address = "127.0.0.1";
  std::uint16_t port = 1883;
  app.add_option("--port", port, "TCP port; 0 = any free one")->capture_default_str();
  app.add_option("--address", address, "Address to listen on")->capture_default_str();
  app.set_version_flag("--version", "tidegate-broker " TIDEGATE_VERSION);
  if (tg::app::was_described(app, "tidegate-broker", argc, argv)) return EXIT_SUCCESS;
  CLI11_PARSE(app, argc, argv);
  catch_signals();
  return run(address, port);
}
