// Bad neighbours, on connections of their own beside the fleet's: they flood, send what is not
// MQTT, or subscribe and do not read. The gateway has to serve the fleet as if they were not there.
// Cutting the fleet's own connections is up to the fleet.
//
// Thread: the fleet's. Limits: kMaxIntruders at once; one that gets no answer is given up after
// kPatienceUs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/channel.h"
#include "tests/sim/ledger.h"

namespace tg::sim {

struct FaultOptions {
  double disconnects = 0;  // a second, of the whole fleet
  double floods = 0;       // a second
  double malformed = 0;    // a second
  std::uint32_t slow_readers = 0;
};

// How often something is due that happens at a rate.
class Pace {
 public:
  explicit Pace(double rate) : rate_(rate) {}
  // Events due between the last call and this one.
  std::uint32_t due(std::int64_t elapsed_us);

 private:
  double rate_;
  std::uint64_t done_ = 0;
};

class Faults {
 public:
  // Both must outlive it. `tls` may be null.
  Faults(const FaultOptions& options, const sockaddr_in& gateway, const TlsContext* tls);

  void begin(std::int64_t now_us);
  // Now and then, every few milliseconds.
  void step(std::int64_t now_us);
  void count_disconnect() { ++counts_.disconnects; }
  // Closes what is open.
  const FaultCounts& finish();

 private:
  enum class Kind : std::uint8_t { kFlood, kMalformed, kSlowReader };
  struct Intruder {
    Kind kind = Kind::kFlood;
    Channel channel;
    std::string out;
    std::int64_t give_up_us = 0;  // 0 = never
  };

  void start(Kind kind, std::int64_t now_us);
  // False when it is through.
  bool advance(Intruder& intruder, std::int64_t now_us);

  const FaultOptions& options_;
  const sockaddr_in& gateway_;
  const TlsContext* tls_;
  Pace floods_;
  Pace malformed_;
  std::int64_t begin_us_ = 0;
  std::uint64_t serial_ = 0;
  std::vector<Intruder> intruders_;
  FaultCounts counts_;
};

// A byte stream that a server must answer by closing the connection; there are kMalformedKinds.
constexpr std::uint64_t kMalformedKinds = 7;
[[nodiscard]] std::string malformed_bytes(std::uint64_t kind, std::string_view client_id);

}  // namespace tg::sim
