#include "tests/tools/mqttload/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

namespace tg::load {
namespace {

const std::map<std::string, Mode> kModes{{"fanin", Mode::kFanIn}, {"fanout", Mode::kFanOut},
                                         {"pairs", Mode::kPairs}, {"wildcard", Mode::kWildcard},
                                         {"storm", Mode::kStorm}, {"idle", Mode::kIdle}};

void set_default(int& value, int number) {
  if (value < 0) value = number;
}

void set_mode_defaults(Options& options) {
  switch (options.mode) {
    case Mode::kFanIn:
      set_default(options.publishers, 100);
      set_default(options.subscribers, 1);
      break;
    case Mode::kFanOut:
      set_default(options.publishers, 1);
      set_default(options.subscribers, 100);
      break;
    case Mode::kPairs:
      set_default(options.publishers, 100);
      options.subscribers = options.publishers;
      break;
    case Mode::kWildcard:
      set_default(options.publishers, 20);
      set_default(options.subscribers, 100);
      break;
    case Mode::kStorm:
    case Mode::kIdle:
      options.publishers = options.subscribers = 0;
      break;
  }
}

void add_load(CLI::App& app, Options& o) {
  app.add_option("--pubs", o.publishers, "Publishers");
  app.add_option("--subs", o.subscribers, "Subscribers");
  app.add_option("--conns", o.connections, "Connections of storm and idle");
  app.add_option("--filters", o.filters, "Filters of wildcard, over all subscribers");
  app.add_option("--topics", o.topics, "Topics of wildcard");
  app.add_option("--stall", o.stalled, "Subscribers that stop reading after SUBACK");
  app.add_option("--qos", o.qos, "QoS of publishes and subscriptions")->check(CLI::Range(0, 2));
  app.add_option("--size", o.size, "Bytes of payload, at least 16");
  app.add_option("--window", o.window,
                 "Publishes on their way, over all publishers; 0 = without limit");
  app.add_option("--inflight", o.inflight, "Unacknowledged publishes of one publisher");
  app.add_option("--burst", o.burst, "Publishes in one write: 1 = sensors, 32 = bulk");
  app.add_option("--rate", o.rate, "Publishes a second, whatever comes back; 0 = by the window");
  app.add_option("--warmup", o.warmup_s, "Seconds before measuring");
  app.add_option("--duration", o.duration_s, "Seconds of measuring");
}

void add_connection(CLI::App& app, Options& o) {
  app.add_option("--host", o.host, "IPv4 address");
  app.add_option("--port", o.port, "TCP port");
  app.add_flag("--v5", o.v5, "MQTT 5");
  app.add_flag("--keep-session", o.keep_session, "Sessions outlive their connections");
  app.add_option("--keepalive", o.keep_alive_s, "Keep-alive in seconds");
  app.add_option("--user", o.username, "User name");
  app.add_option("--pass", o.password, "Password");
  app.add_flag("--tls", o.tls, "TLS");
  app.add_option("--ca", o.ca, "Trusted certificates; without them the broker is not checked");
  app.add_option("--cert", o.certificate, "Certificate of the clients");
  app.add_option("--key", o.key, "Its key");
  app.add_flag("--resume", o.resume, "Resume TLS sessions");
  app.add_flag("--ws", o.websocket, "MQTT over WebSocket");
  app.add_option("--ws-path", o.websocket_path, "Path of the upgrade request");
  app.add_option("--conc", o.concurrency, "Connections being opened at once");
  app.add_flag("--idle-sub", o.subscribe, "Idle connections hold a subscription each");
  app.add_option("--connect-timeout", o.connect_timeout_s, "Seconds for all of them to open");
  app.add_option("--cpu", o.cpu, "Pin the generator to this core");
  app.add_option("--broker-pid", o.broker_pids, "Processes of the broker, to account their CPU")
      ->delimiter(',');
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  CLI::App app("Load generator for MQTT brokers");
  app.add_option("mode", options.mode_name, "fanin, fanout, pairs, wildcard, storm or idle")
      ->required()
      ->check(CLI::IsMember(kModes));
  add_load(app, options);
  add_connection(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  options.mode = kModes.at(options.mode_name);
  set_mode_defaults(options);
  options.size = std::max<std::size_t>(options.size, 16);
  options.burst = std::max(options.burst, 1);
  options.inflight = std::min(options.inflight, 60'000U);
  return options;
}

}  // namespace tg::load
