// New connections.
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

// A batch a round: those who are connected already are not to wait for a storm.
constexpr int kBatch = 128;
constexpr int kBatchWithLayers = 32;  // making a TLS connection costs more than accepting one
constexpr std::int64_t kRetryMs = 200;

void turn_away(Core& core, std::string_view why) {
  ++core.counts.turned_away;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog, "a new connection was closed: {}; {} lines about limits were left out", why,
                 core.limit_log.take_suppressed());
  }
}

// Those that came before a reload of the listener's settings count, too.
bool is_full(const Core& core, const ListenerSlot& slot) {
  if (slot.options.max_connections == 0) return false;
  std::size_t count = 0;
  for (const auto& other : core.listeners) {
    if (other->options.address == slot.options.address) count += other->connections;
  }
  return count >= slot.options.max_connections;
}

void take_in(Core& core, ListenerSlot& slot, Accepted accepted) {
  if (core.connections.size() >= core.options.max_connections || is_full(core, slot)) {
    turn_away(core, "max_connections is reached");
    return;
  }
  auto owned = std::make_unique<Connection>();
  Connection& connection = *owned;
  connection.channel = Channel(std::move(accepted.fd));
  connection.peer = std::make_unique<sockaddr_storage>(accepted.peer);
  connection.last_received_ms = core.now_ms;
  while (core.listeners[connection.listener].get() != &slot) ++connection.listener;
  const std::uint32_t number = core.connections.insert(std::move(owned));
  connection.id = ++core.last_serial << kConnectionSlotBits | number;
  if (!core.poller.add(connection.channel.fd(), &connection)) {
    turn_away(core, "the kernel cannot watch more sockets");
    core.connections.erase(number);
    return;
  }
  ++slot.connections;
  if (slot.has_layers()) {
    if (slot.options.proxy_protocol) connection.channel.expect_proxy_header();
    if (slot.tls) connection.channel.add_tls(*slot.tls);
    if (slot.options.web_socket) connection.channel.add_web_socket(slot.options.origins);
    note_opening(core, connection);
  }
  arm_timer(core, connection);
  ++core.counts.sockets;
}

bool opening_is_full(const Core& core, const ListenerSlot& slot) {
  return slot.has_layers() && core.opening >= core.options.max_opening;
}

}  // namespace

bool may_accept(const Core& core, const ListenerSlot& slot) {
  return slot.readable && slot.retry_at_ms <= core.now_ms && !opening_is_full(core, slot);
}

void accept_all(Core& core, ListenerSlot& slot) {
  if (slot.readable && opening_is_full(core, slot) && slot.listener.has_caller()) {
    give_up_stalled(core);
  }
  const int batch = slot.has_layers() ? kBatchWithLayers : kBatch;
  for (int i = 0; i < batch && may_accept(core, slot); ++i) {
    Accepted accepted;
    switch (slot.listener.accept(accepted)) {
      case Listener::Outcome::kAccepted:
        take_in(core, slot, std::move(accepted));
        break;
      case Listener::Outcome::kEmpty:
        slot.readable = false;
        return;
      case Listener::Outcome::kRejected:
        turn_away(core, "no descriptor is free (or the caller left)");
        break;
      case Listener::Outcome::kStuck:
        turn_away(core, "no descriptor is free; trying again shortly");
        slot.retry_at_ms = core.now_ms + kRetryMs;
        return;
    }
  }
}

}  // namespace tg::broker
