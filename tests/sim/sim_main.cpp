// tidegate-sim: a plant of simulated devices, a stand-in cloud, and the report that compares what
// the devices had acknowledged with what arrived. Linked with the gateway's broker library (the
// cloud).
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <map>

#include "daemon/app/describe.h"
#include "tests/sim/cloud.h"
#include "tests/sim/fleet.h"
#include "tests/sim/plot.h"
#include "tests/sim/report.h"

namespace {

using tg::sim::QosMix;

constexpr int kNotClean = 1;
constexpr int kUsage = 2;

struct ReportOptions {
  std::string svg;
  std::string devices_ledger;
  std::string cloud_ledger;
  bool as_json = false;
  tg::sim::GatewayCost cost;
};

void add_tls(CLI::App& command, tg::sim::TlsOptions& options) {
  auto* ca = command.add_option("--ca", options.ca, "speak TLS; the gateway's CA, PEM")
                 ->check(CLI::ExistingFile);
  auto* certificate = command
                          .add_option("--certificate", options.certificate,
                                      "of a device, PEM; {device} stands for its name")
                          ->needs(ca);
  command.add_option("--private-key", options.private_key, "its key; {device} likewise")
      ->needs(certificate);
  certificate->needs("--private-key");
}

void add_faults(CLI::App& command, tg::sim::FaultOptions& options) {
  const auto rate = CLI::Range(0.0, 1000.0);
  command.add_option("--disconnects", options.disconnects, "devices cut off a second")->check(rate);
  command
      .add_option("--floods", options.floods,
                  "strangers a second that send 1000 QoS 0 publishes at once")
      ->check(rate);
  command
      .add_option("--malformed", options.malformed, "strangers a second that send what is not MQTT")
      ->check(rate);
  command
      .add_option("--slow-readers", options.slow_readers,
                  "strangers that subscribe to everything and read nothing")
      ->check(CLI::Range(0, 100));
}

CLI::App* add_devices(CLI::App& app, tg::sim::FleetOptions& options) {
  auto* command = app.add_subcommand("devices", "run a fleet of devices against a gateway");
  command->add_option("--host", options.host, "IPv4 address")->capture_default_str();
  command->add_option("--port", options.port, "TCP port")->capture_default_str();
  command->add_option("--count", options.plan.count, "devices")
      ->check(CLI::Range(2, 10'000))
      ->capture_default_str();
  command->add_option("--rate", options.rate, "messages a second, all devices together")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command->add_option("--duration", options.duration_s, "seconds; 0 = until SIGTERM")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--stages", options.stages,
                   "percentages of --rate, each for an equal part of --duration: 10,25,50,100")
      ->delimiter(',')
      ->check(CLI::Range(1, 1000))
      ->option_text("PERCENT,...=100");
  command->add_option("--drain", options.drain_s, "at most so many seconds for what is under way")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--pattern", options.plan.pattern, "what devices subscribe to")
      ->check(CLI::IsMember({"all", "one-to-one", "own-topic", "one-to-many", "many-to-one"}))
      ->capture_default_str();
  static const std::map<std::string, QosMix> qos = {
      {"0", QosMix::kAll0}, {"1", QosMix::kAll1}, {"2", QosMix::kAll2}, {"mixed", QosMix::kMixed}};
  command
      ->add_option_function<std::string>(
          "--qos", [&options](const std::string& name) { options.plan.qos = qos.at(name); },
          "of all messages; mixed: alarms 2, vibration 0, the rest 1")
      ->check(CLI::IsMember(qos))
      ->option_text("TEXT:{0,1,2,mixed}=mixed");
  command->add_option("--prefix", options.plan.prefix, "of the devices' names")
      ->capture_default_str();
  command->add_option("--ledger", options.ledger, "file, written anew")->required();
  command->add_option("--seed", options.seed, "of what is random")->capture_default_str();
  add_tls(*command, options.tls);
  add_faults(*command, options.faults);
  command->add_option("--stats-interval", options.stats_interval_ms, "a line of figures every …")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, int>{{"ms", 1}, {"s", 1000}}));
  return command;
}

CLI::App* add_cloud(CLI::App& app, tg::sim::CloudOptions& options) {
  auto* command =
      app.add_subcommand("cloud", "stand in for the cloud; SIGUSR1 cuts it off for --cut-seconds");
  command->add_option("--host", options.host, "address to listen on")->capture_default_str();
  command->add_option("--port", options.port, "0 = any free one")->required();
  command->add_option("--ledger", options.ledger, "file, appended to")->required();
  command->add_option("--cut-seconds", options.cut_seconds, "how long SIGUSR1 cuts it off")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
  command->add_option("--stats-interval", options.stats_interval_ms, "a line of figures every …")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, int>{{"ms", 1}, {"s", 1000}}));
  return command;
}

CLI::App* add_report(CLI::App& app, ReportOptions& options) {
  auto* command = app.add_subcommand("report", "compare two ledgers; exit code 0 = clean");
  command->add_option("--devices-ledger", options.devices_ledger, "what the devices wrote")
      ->required();
  command->add_option("--cloud-ledger", options.cloud_ledger, "what the cloud wrote")->required();
  command->add_option("--svg", options.svg, "also draw rates, backlog and latency over time");
  command->add_option("--cpu-ms", options.cost.cpu_ms, "CPU time of the gateway, to be told");
  command->add_option("--peak-rss-kib", options.cost.peak_rss_kib, "likewise");
  command->add_flag("--json", options.as_json, "report in JSON");
  return command;
}

int complain(const std::string& message) {
  fmt::print(stderr, "tidegate-sim: {}\n", message);
  return kUsage;
}

int run_report(const ReportOptions& options) {
  const auto devices_text = tg::sim::read_text(options.devices_ledger);
  if (!devices_text) return complain(devices_text.error().message);
  const auto cloud_text = tg::sim::read_text(options.cloud_ledger);
  if (!cloud_text) return complain(cloud_text.error().message);
  const auto devices = tg::sim::parse_devices_log(*devices_text);
  if (!devices) return complain(options.devices_ledger + ": " + devices.error().message);
  const auto cloud = tg::sim::parse_cloud_log(*cloud_text);
  if (!cloud) return complain(options.cloud_ledger + ": " + cloud.error().message);
  const auto report = tg::sim::make_report(*devices, *cloud);
  fmt::print("{}", options.as_json ? report_json(report, options.cost)
                                   : report_text(report, options.cost));
  if (!options.svg.empty()) {
    std::ofstream file(options.svg);
    file << tg::sim::plot_svg(report) << std::flush;
    if (!file) return complain(fmt::format("cannot write {}", options.svg));
  }
  return report.troubles().empty() ? 0 : kNotClean;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Simulated devices, a stand-in cloud, and a report of what was lost"};
  app.require_subcommand(1);
  tg::sim::FleetOptions fleet;
  tg::sim::CloudOptions cloud;
  ReportOptions report;
  const auto* devices_command = add_devices(app, fleet);
  const auto* cloud_command = add_cloud(app, cloud);
  add_report(app, report);
  if (tg::app::was_described(app, "tidegate-sim", argc, argv)) return 0;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (devices_command->parsed()) return run_fleet(fleet);
  if (cloud_command->parsed()) return run_cloud(cloud);
  return run_report(report);
}
