// Messages that expire while they wait (MQTT 5) are not sent any more [MQTT-3.3.2-5]; nor do they
// keep their memory until somebody comes for them.
#include <algorithm>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

constexpr std::int64_t kEveryMs = 1000;
// Entries that are looked at each time, of queues and of the retained set; a queue that was begun
// to its end.
constexpr std::size_t kEntries = 8192;

void sweep_queues(Core& core) {
  std::size_t seen = 0;
  for (std::uint32_t i = 0; i < core.sessions.end() && seen < kEntries; ++i) {
    if (core.sweep_session >= core.sessions.end()) core.sweep_session = 0;
    Session* session = core.sessions.at(core.sweep_session++);
    ++seen;
    if (session == nullptr) continue;
    seen += session->outbound.queued();
    session->outbound.drop_expired(core.now_ms, [&core](Queued queued) {
      --core.queue_entries;
      drop_copy(core, queued);
    });
  }
}

void sweep_retained(Core& core) {
  const std::size_t count = std::min<std::size_t>(core.retained.end(), kEntries);
  for (std::size_t i = 0; i < count; ++i) {
    if (core.sweep_retained >= core.retained.end()) core.sweep_retained = 0;
    const MessageRef message = core.retained.at(core.sweep_retained++);
    if (message && message->is_expired(core.now_ms)) forget_retained(core, message->topic());
  }
}

}  // namespace

void drop_expired(Core& core) {
  if (core.now_ms < core.next_sweep_ms) return;
  core.next_sweep_ms = core.now_ms + kEveryMs;
  if (core.messages.expiring == 0) return;
  sweep_queues(core);
  sweep_retained(core);
}

}  // namespace tg::broker
