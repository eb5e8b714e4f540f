// What a connection needs before its first byte of MQTT: a PROXY header, a TLS handshake, a request
// for a WebSocket.
//
// Handshakes are what a reconnect storm costs. So there are but a few steps of them in a round,
// between which those who are connected are served, and a limit on those that are under way; more
// callers wait in the kernel's queue, where no time limit runs.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

// At the limit, one that has taken this long is in the way of others.
constexpr std::int64_t kStalledMs = 3000;

Connection* find_opening(const Core& core, std::uint64_t id) {
  Connection* connection = core.connections.find(id & ((1U << kConnectionSlotBits) - 1));
  const bool is_it = connection != nullptr && connection->id == id && connection->opening;
  return is_it ? connection : nullptr;
}

// Those at the front that are open, or gone.
void forget_done(Core& core) {
  while (!core.openings.empty() && find_opening(core, core.openings.front()) == nullptr) {
    core.openings.pop_front();
  }
}

}  // namespace

void note_opening(Core& core, Connection& connection) {
  forget_done(core);
  connection.opening = true;
  core.openings.push_back(connection.id);
  ++core.opening;
}

bool open_connection(Core& core, Connection& connection) {
  OpenFault fault = OpenFault::kNone;
  const OpenState state = connection.channel.open(core.scratch, *connection.peer, fault);
  count_channel(core, connection);
  switch (state) {
    case OpenState::kOpen:
      break;
    case OpenState::kBlocked:
      return false;
    case OpenState::kLater:
      make_ready(core, connection);
      return false;
    case OpenState::kFailed:
      fail_opening(core, connection, fault);
      return false;
  }
  // The list may have been read anew during the handshake.
  const ListenerSlot& slot = *core.listeners[connection.listener];
  if (slot.tls && connection.channel.is_revoked(*slot.tls)) {
    fail_opening(core, connection, OpenFault::kRevoked);
    return false;
  }
  connection.opening = false;
  --core.opening;
  connection.last_received_ms = core.now_ms;
  connection.readable = true;  // the first packet may have come along
  if (connection.channel.owes()) mark_dirty(core, connection);
  return true;
}

void fail_opening(Core& core, Connection& connection, OpenFault fault) {
  core.open_faults[static_cast<std::size_t>(fault)].add();
  if (core.peer_log.allow(core.now_ms)) {
    log::warning(kLog,
                 "{} on {} was closed before MQTT began: {}; {} lines about peers were left out",
                 connection.peer ? address_text(*connection.peer) : "a peer",
                 core.listeners[connection.listener]->options.name, fault_name(fault),
                 core.peer_log.take_suppressed());
  }
  close(core, connection, fault_name(fault));
}

void give_up_stalled(Core& core) {
  forget_done(core);
  if (core.openings.empty()) return;
  Connection* oldest = find_opening(core, core.openings.front());
  if (core.now_ms - oldest->last_received_ms >= kStalledMs) {
    fail_opening(core, *oldest, OpenFault::kTimeout);
  }
}

}  // namespace tg::broker
