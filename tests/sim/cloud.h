// The stand-in cloud: an MQTT broker made of the gateway's own broker library that writes down
// every telemetry record that arrives. Anybody may subscribe to it and look.
//
// SIGUSR1 cuts it off: all connections break and new ones are refused for cut_seconds; sessions are
// forgotten, the ledger is kept. SIGTERM and SIGINT end it.
#pragma once

#include <cstdint>
#include <string>

namespace tg::sim {

struct CloudOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;  // 0 = any free one; it is printed
  std::string ledger;
  int cut_seconds = 10;
  int stats_interval_ms = 0;  // 0 = no line of figures
};

// The exit code.
int run_cloud(const CloudOptions& options);

}  // namespace tg::sim
