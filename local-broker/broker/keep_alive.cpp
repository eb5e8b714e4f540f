// The one timer of a connection: CONNECT must have come in time, then a packet must come within one
// and a half keep-alives [MQTT-3.1.2-24], and after a refusal the connection ends.
#include <algorithm>
#include <limits>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

constexpr std::int64_t kConnectWithinMs = 10'000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t silence_deadline(const Core& core, const Connection& connection) {
  if (connection.session == nullptr) {
    // Authenticating takes as long as it takes.
    return connection.paused != 0 ? core.now_ms + kConnectWithinMs
                                  : connection.last_received_ms + kConnectWithinMs;
  }
  if (connection.keep_alive_s == 0) return kNever;
  const std::int64_t allowed = std::int64_t{connection.keep_alive_s} * 1500;
  // What we do not read we cannot miss. A peer that does not read its answers is as good as silent.
  const bool output_full = (connection.paused & kOutputFull) != 0;
  const bool unread = !output_full && (connection.paused != 0 || connection.readable);
  return (unread ? core.now_ms : connection.last_received_ms) + allowed;
}

}  // namespace

void arm_timer(Core& core, Connection& connection) {
  std::int64_t due = silence_deadline(core, connection);
  if (connection.refused_until_ms != 0) due = std::min(due, connection.refused_until_ms);
  if (due == kNever) {
    connection.timer.disarm();
  } else {
    core.wheel.arm(connection.timer, due);
  }
}

void on_timer(Core& core, Connection& connection) {
  if (connection.closing) return;
  if (connection.opening && silence_deadline(core, connection) <= core.now_ms) {
    fail_opening(core, connection, OpenFault::kTimeout);
    return;
  }
  if (connection.refused_until_ms != 0 && connection.refused_until_ms <= core.now_ms) {
    close(core, connection, "a publish was refused");
  } else if (silence_deadline(core, connection) <= core.now_ms) {
    disconnect(core, connection, mqtt::Reason::kKeepAliveTimeout,
               connection.session == nullptr ? "no CONNECT in time" : "keep-alive ran out");
  } else {
    arm_timer(core, connection);
  }
}

}  // namespace tg::broker
