#include "local-broker/broker/broker.h"

#include <fmt/core.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

// Rounds in one poll() while there is work that no event announces.
constexpr int kRoundsPerPoll = 8;
constexpr std::int64_t kLongestWaitMs = 1000;
constexpr std::int64_t kFlushAtEndMs = 500;

bool has_work(const Core& core) {
  return !core.ready.empty() || !core.dirty.empty() || !core.wills.empty() ||
         std::any_of(core.listeners.begin(), core.listeners.end(),
                     [&core](const auto& slot) { return may_accept(core, *slot); });
}

void note_event(Core& core, const epoll_event& event) {
  auto* source = static_cast<Pollable*>(event.data.ptr);
  if (source == nullptr) return;  // only woken up
  if (source->poll_kind == PollKind::kListener) {
    static_cast<ListenerSlot*>(source)->readable = true;
    return;
  }
  if (source->poll_kind == PollKind::kSlowWork) {
    static_cast<SlowWorkSlot*>(source)->work.collect();
    return;
  }
  auto& connection = static_cast<Connection&>(*source);
  if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) connection.peer_ended = true;
  if ((event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    connection.readable = true;
  }
  if ((event.events & EPOLLOUT) != 0 && connection.blocked) {
    connection.blocked = false;
    flush(core, connection);
    if (!connection.closing && !connection.blocked) {
      resume(core, connection, kOutputFull);
      if (connection.session != nullptr) pump(core, connection);
    }
  }
  if ((event.events & (EPOLLHUP | EPOLLERR)) != 0 && connection.paused != 0) {
    // It is gone both ways; what it sent and nobody took is not acknowledged.
    close(core, connection, "closed by the peer");
  }
  if (!connection.in_ready) service(core, connection);
}

void serve_ready(Core& core) {
  const auto ready = std::exchange(core.ready, {});
  for (Connection* connection : ready) connection->in_ready = false;
  for (Connection* connection : ready) service(core, *connection);
}

void run_timers(Core& core) {
  while (Timer* timer = core.wheel.take_due(core.now_ms)) {
    switch (timer->kind) {
      case TimerKind::kConnection:
        on_timer(core, *static_cast<Connection*>(timer->owner));
        break;
      case TimerKind::kSession:
        expire_session(core, *static_cast<Session*>(timer->owner));
        break;
      case TimerKind::kWill:
        owe_delayed_will(core, *static_cast<Session*>(timer->owner));
        break;
    }
  }
}

// What flushing makes room for is sent in the next round: nobody keeps the loop to himself.
void flush_dirty(Core& core) {
  std::swap(core.flushing, core.dirty);
  core.dirty.clear();
  for (Connection* connection : core.flushing) connection->in_dirty = false;
  for (Connection* connection : core.flushing) {
    flush(core, *connection);
    if (!connection->closing && !connection->blocked && connection->session != nullptr &&
        connection->session->outbound.has_more()) {
      pump(core, *connection);
    }
  }
}

void finish_round(Core& core) {
  flush_dirty(core);
  publish_wills(core);
  while (!core.ended.empty() || !core.orphans.empty()) {
    end_orphans(core);
    reap(core);
  }
}

void run_round(Core& core, int timeout_ms) {
  core.in_round = true;
  const auto events = core.poller.wait(timeout_ms);
  core.poller.clear_wake();
  core.now_ms = core.clock.mono_ms();
  core.scratch.handshake_steps = core.options.handshake_steps;
  for (const epoll_event& event : events) note_event(core, event);
  serve_ready(core);
  for (auto& slot : core.listeners) accept_all(core, *slot);
  run_timers(core);
  drop_expired(core);
  report(core);
  finish_round(core);
  core.in_round = false;
}

int wait_for(const Core& core, int timeout_ms) {
  if (has_work(core)) return 0;
  const auto next = static_cast<int>(core.wheel.wait_ms(core.clock.mono_ms(), kLongestWaitMs));
  return timeout_ms < 0 ? next : std::min(timeout_ms, next);
}

// What a listener reads from files.
struct ListenerFiles {
  std::unique_ptr<TlsContext> tls;
  std::unique_ptr<Users> users;
};

Result<void> read_files(const ListenerOptions& listener, ListenerFiles& files) {
  const auto wrong = [&listener](const Error& error) {
    return fail(error.code, fmt::format("listener {}: {}", listener.name, error.message));
  };
  if (listener.tls) {
    auto tls = TlsContext::load(*listener.tls);
    if (!tls) return wrong(tls.error());
    files.tls = std::move(*tls);
  }
  if (!listener.users.empty()) {
    auto users = Users::load(listener.users);
    if (!users) return wrong(users.error());
    files.users = std::move(*users);
  }
  return {};
}

// Connections name their slot by number, so one that has closed stays until they have gone.
void keep(Core& core, std::unique_ptr<ListenerSlot> slot) {
  const auto unused =
      std::find_if(core.listeners.begin(), core.listeners.end(),
                   [](const auto& old) { return old->listener.fd() < 0 && old->connections == 0; });
  if (unused != core.listeners.end()) {
    *unused = std::move(slot);
  } else {
    core.listeners.push_back(std::move(slot));
  }
}

// By its address; the name tells those apart whose port may be any.
ListenerSlot* find_slot(const Core& core, const ListenerOptions& options) {
  ListenerSlot* found = nullptr;
  for (const auto& slot : core.listeners) {
    if (slot->options.address != options.address || slot->listener.fd() < 0) continue;
    if (slot->options.name == options.name) return slot.get();
    found = slot.get();
  }
  return found;
}

// The socket goes on with other settings; connections that it has accepted keep theirs.
ListenerSlot& pass_on(Core& core, ListenerSlot& from, const ListenerOptions& options) {
  auto made = std::make_unique<ListenerSlot>(std::move(from.listener), options);
  ListenerSlot& slot = *made;
  core.poller.pass_on(slot.listener.fd(), &slot);
  from.readable = false;
  slot.readable = true;  // somebody may have come meanwhile
  keep(core, std::move(made));
  if (!core.in_round) core.poller.wake();
  return slot;
}

bool start_slow_work(Core& core) {
  if (core.slow) return true;
  core.slow = std::make_unique<SlowWorkSlot>();
  return core.poller.add(core.slow->work.fd(), core.slow.get());
}

void end_revoked(Core& core, const ListenerSlot& slot) {
  core.connections.for_each([&](Connection& connection) {
    const ListenerSlot& accepted_by = *core.listeners[connection.listener];
    if (accepted_by.options.address != slot.options.address || connection.closing) return;
    if (!connection.channel.is_revoked(*slot.tls)) return;
    disconnect(core, connection, mqtt::Reason::kNotAuthorised, "its certificate is revoked");
  });
  if (!core.in_round) core.poller.wake();
}

// Waits for slow sockets, but not for long.
void flush_all(Core& core) {
  const std::int64_t end_ms = core.clock.mono_ms() + kFlushAtEndMs;
  core.connections.for_each([&core, end_ms](Connection& connection) {
    flush(core, connection);
    for (int tries = 0; connection.blocked && !connection.closing && tries < 100; ++tries) {
      const auto left = static_cast<int>(end_ms - core.clock.mono_ms());
      pollfd wanted{connection.channel.fd(), POLLOUT, 0};
      if (left <= 0 || ::poll(&wanted, 1, left) <= 0) return;
      connection.blocked = false;
      flush(core, connection);
    }
  });
}

}  // namespace

class Broker::State : public Core {
 public:
  using Core::Core;
};

Broker::Broker(BrokerOptions options, Hooks& hooks, const Clock& clock, Metrics& metrics,
               SessionStore* store)
    : state_(std::make_unique<State>(std::move(options), hooks, store, clock, metrics)) {}

Broker::~Broker() = default;

Result<void> Broker::restore() { return broker::restore(*state_); }

void Broker::keep_anew() { broker::keep_anew(*state_); }

void Broker::set_away(std::string_view client_id, std::int64_t away_ms) {
  Session* session = state_->sessions.find(client_id);
  if (session != nullptr && session->connection == nullptr) {
    expire_after(*state_, *session, away_ms);
  }
}

Result<std::uint16_t> Broker::listen(const ListenerOptions& listener, UniqueFd inherited) {
  Core& core = *state_;
  ListenerFiles files;
  if (auto read = read_files(listener, files); !read) return tl::unexpected(read.error());
  auto opened = inherited.is_open() ? Listener::adopt(std::move(inherited))
                                    : Listener::open(listener.address);
  if (!opened) return tl::unexpected(opened.error());
  const std::uint16_t port = opened->port();
  auto slot = std::make_unique<ListenerSlot>(std::move(*opened), listener);
  slot->tls = std::move(files.tls);
  slot->users = std::move(files.users);
  if (slot->users && !start_slow_work(core)) {
    return fail(ErrorCode::kIo, fmt::format("listener {}: epoll_ctl failed", listener.name));
  }
  if (!core.poller.add(slot->listener.fd(), slot.get())) {
    return fail(ErrorCode::kIo, fmt::format("listener {}: epoll_ctl failed", listener.address));
  }
  log::info(kLog, "listening on {} (port {}{}{})", listener.address, port,
            listener.tls ? ", TLS" : "", listener.web_socket ? ", WebSocket" : "");
  keep(core, std::move(slot));
  return port;
}

Result<void> Broker::reload(const ListenerOptions& listener) {
  Core& core = *state_;
  ListenerSlot* slot = find_slot(core, listener);
  if (slot == nullptr) {
    return fail(ErrorCode::kNotFound,
                fmt::format("listener {}: nothing listens on {}", listener.name, listener.address));
  }
  const bool has_changed = slot->options != listener;
  if (!has_changed && !slot->tls && !slot->users) return {};
  ListenerFiles files;
  if (auto read = read_files(listener, files); !read) return read;
  if (files.users && !start_slow_work(core)) {
    return fail(ErrorCode::kIo, fmt::format("listener {}: epoll_ctl failed", listener.name));
  }
  if (has_changed) slot = &pass_on(core, *slot, listener);
  slot->tls = std::move(files.tls);
  slot->users = std::move(files.users);
  log::info(kLog, "listener {}: its files{} were read anew", listener.name,
            has_changed ? " and settings" : "");
  if (slot->tls) end_revoked(core, *slot);
  return {};
}

void Broker::stop_listening() {
  // The slots stay: connections name them by number.
  for (auto& slot : state_->listeners) {
    slot->listener.close();
    slot->readable = false;
  }
}

void Broker::stop_listening(std::string_view address) {
  for (auto& slot : state_->listeners) {
    if (slot->options.address != address) continue;
    slot->listener.close();
    slot->readable = false;
  }
}

void Broker::disconnect_all() {
  Core& core = *state_;
  flush_all(core);
  core.connections.for_each([&core](Connection& connection) {
    // Against the letter of [MQTT-3.1.2-8]: the devices are well, and back in a moment.
    connection.will.reset();
    disconnect(core, connection, mqtt::Reason::kServerShuttingDown, "the broker is shutting down");
  });
  do {
    finish_round(core);
  } while (!core.wills.empty());
}

int Broker::poll_fd() const { return state_->poller.fd(); }

int Broker::poll(int timeout_ms) {
  Core& core = *state_;
  run_round(core, wait_for(core, timeout_ms));
  for (int round = 1; round < kRoundsPerPoll && has_work(core); ++round) run_round(core, 0);
  if (has_work(core)) core.poller.wake();
  return wait_for(core, -1);
}

void Broker::complete(std::span<const AckToken> tokens) {
  Core& core = *state_;
  for (const AckToken token : tokens) complete_token(core, token);
  if (core.in_round) return;
  flush_dirty(core);
  if (has_work(core) || !core.ended.empty()) core.poller.wake();
}

void Broker::resume_held() {
  Core& core = *state_;
  for (const std::uint64_t id : std::exchange(core.held, {})) {
    Connection* connection = core.connections.find(id & ((1U << kConnectionSlotBits) - 1));
    if (connection != nullptr && connection->id == id && !connection->closing) {
      resume(core, *connection, kHeld);
    }
  }
  for (auto& will : std::exchange(core.held_wills, {})) core.wills.push_back(std::move(will));
  if (has_work(core)) core.poller.wake();
}

void Broker::publish(std::string_view topic, std::string_view payload, std::uint8_t qos,
                     bool retained, std::string_view properties,
                     std::optional<std::int64_t> expires_in_ms) {
  Core& core = *state_;
  TopicEntry* entry = topic_entry(core, topic);
  TG_ASSERT(qos <= 2);
  if (entry == nullptr) {
    ++core.counts.dropped;
    if (core.limit_log.allow(core.now_ms)) {
      log::warning(kLog, "a message of the gateway's own was dropped: its topic is not valid");
    }
    return;
  }
  const std::int64_t expires_at_ms = expires_in_ms ? core.now_ms + *expires_in_ms : 0;
  const MessageFields message{entry->topic, payload, properties, qos, expires_at_ms};
  if (retained) retain(core, message);
  deliver(core, *entry, message, nullptr, retained);
  if (!core.in_round && has_work(core)) core.poller.wake();
}

void Broker::access_changed() { state_->subscriptions.invalidate(); }

std::vector<ClientStatus> Broker::clients(std::string_view after, std::size_t limit) const {
  return list_clients(*state_, after, limit);
}

std::optional<ClientStatus> Broker::client(std::string_view client_id) const {
  return find_client(*state_, client_id);
}

bool Broker::disconnect_client(std::string_view client_id) {
  Core& core = *state_;
  const bool was_connected = end_client(core, client_id);
  if (!core.in_round) core.poller.wake();
  return was_connected;
}

BrokerStats Broker::stats() const { return stats_of(*state_); }

}  // namespace tg::broker
