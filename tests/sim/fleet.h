// The fleet: all devices of one program on one thread and one epoll, sampling at a steady rate, or
// in stages of equal length, each at its percentage of the rate.
//
// The load begins when all devices are connected. It ends after duration_s or at SIGTERM/SIGINT;
// then the fleet waits, at most drain_s, until all QoS 1 and 2 is acknowledged and all subscribers
// have caught up. A second signal ends it at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/channel.h"
#include "tests/sim/faults.h"
#include "tests/sim/plan.h"

namespace tg::sim {

struct FleetOptions {
  std::string host = "127.0.0.1";  // an address
  std::uint16_t port = 1883;
  PlanOptions plan;
  double rate = 2000;               // samples a second, of all devices
  std::vector<int> stages = {100};  // percent of the rate
  double duration_s = 30;           // of all stages; 0 = until a signal, in the last stage
  double drain_s = 30;
  TlsOptions tls;
  FaultOptions faults;
  std::string ledger;
  std::uint64_t seed = 1;
  int stats_interval_ms = 0;  // 0 = no line of figures
};

// The exit code: 0 when everything was acknowledged, the local deliveries are clean and every
// malformed connection was closed.
int run_fleet(const FleetOptions& options);

}  // namespace tg::sim
