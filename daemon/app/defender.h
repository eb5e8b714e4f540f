// The device-side report of AWS IoT Device Defender: open ports, connections and traffic of this
// machine, at an interval, into a stream from where an export takes it to the cloud. The document
// stands in docs/operations.md.
//
// Traffic is what came since the report before, so the first one has none. Lists hold 50 entries at
// most, the totals count all. Custom metrics are sent only where the operator has made them in the
// cloud, which refuses others.
//
// Thread: the loop's. Reads a few files of /proc/self/net, whose cost grows with the connections.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/periodic_report.h"
#include "daemon/config/config.h"

namespace tg::app {

struct Traffic {
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t packets_in = 0;
  std::uint64_t packets_out = 0;
};

struct Socket {
  std::string local;  // address
  std::uint16_t local_port = 0;
  std::string remote;
  std::uint16_t remote_port = 0;
  unsigned state = 0;  // of the kernel: 1 established, 7 unconnected (UDP), 10 listening
};

// Of the files /proc/self/net/{tcp,tcp6,udp,udp6} and /proc/self/net/dev. Lines that cannot be read
// are left out. The loopback interface does not count.
[[nodiscard]] std::vector<Socket> parse_sockets(std::string_view file);
[[nodiscard]] Traffic parse_traffic(std::string_view file);

struct NetworkFigures {
  std::vector<Socket> tcp;
  std::vector<Socket> udp;
  Traffic traffic;
};

// The document. `before`: the traffic at the report before, if there was one.
[[nodiscard]] nlohmann::ordered_json defender_report(std::int64_t report_id,
                                                     const NetworkFigures& figures,
                                                     const std::optional<Traffic>& before);

class DefenderReporter {
 public:
  DefenderReporter(PartsNow parts, Timers& timers, Metrics& metrics);

  void configure(const config::Defender& settings);

 private:
  [[nodiscard]] std::string make(const Parts& parts);

  PeriodicReport report_;
  bool with_custom_metrics_ = false;
  std::optional<Traffic> before_;
  std::int64_t last_id_ = 0;
};

}  // namespace tg::app
