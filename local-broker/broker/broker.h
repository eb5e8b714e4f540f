// The MQTT broker as a library: listeners, sessions, subscriptions, retained messages, wills.
//
// Thread: the loop's (T0), no locks. The broker waits with one epoll instance of its own:
//   poll_fd() becomes readable when poll() has something to do, so it nests in any other loop;
//   tidegate-broker calls poll() with a timeout and needs no other loop.
// Order: messages of one publisher on one topic and of one QoS keep their order towards each
//   subscriber; a QoS 0 message may overtake those that wait for room in the window. PUBACK and
//   PUBREC leave a connection in the order in which their publishes came in.
// Limits: BrokerOptions; each one that is reached is counted and logged (rate-limited).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "local-broker/broker/hooks.h"
#include "local-broker/broker/transport/listener_options.h"

namespace tg::broker {

struct BrokerOptions {
  std::size_t max_connections = 10'000;
  std::size_t max_packet_size = 256 * 1024;
  std::uint16_t receive_maximum = 1000;  // unacknowledged QoS>0 publishes from a client
  std::uint16_t max_inflight = 100;      // towards a client
  std::size_t max_queued = 1000;         // messages waiting per session
  std::size_t max_queued_bytes = 1 << 20;
  std::uint64_t total_memory = 256ULL << 20;
  std::int64_t session_expiry_ms = 7LL * 24 * 3600 * 1000;
  std::uint32_t max_keep_alive_s = 1200;
  std::size_t max_subscriptions = 1000;  // per session
  std::size_t max_topic_levels = 128;
  std::uint16_t topic_alias_maximum = 10;  // each way
  std::size_t max_retained_bytes = 64 << 20;
  std::int64_t refuse_grace_ms = 30'000;  // a 3.1.1 client whose publish was refused is closed then
  int sys_interval_s = 10;                // $SYS topics; 0 = off
  std::size_t max_opening = 256;          // handshakes at once; others wait to be accepted
  int handshake_steps = 4;                // in a round: who is connected is served in between
  std::string version = "unknown";        // in $SYS/broker/version
};

struct BrokerStats {
  std::size_t connections = 0;
  std::size_t sessions = 0;
  std::size_t subscriptions = 0;
  std::size_t retained = 0;
  std::uint64_t received = 0;   // publishes from clients
  std::uint64_t delivered = 0;  // publishes to clients
  std::uint64_t dropped = 0;    // queue limits
  std::size_t memory = 0;       // bytes of queues and buffers
};

class SessionStore;

// A session, connected or not.
struct ClientStatus {
  std::string client_id;
  std::string identity;
  std::string listener;
  std::string address;  // of the last connection
  std::uint8_t protocol = 4;
  bool is_connected = false;
  bool is_held = false;  // its next publish waits for room in the store
  std::uint16_t keep_alive_s = 0;
  std::int64_t silent_ms = 0;  // since its last packet
  std::size_t subscriptions = 0;
  std::size_t in_flight = 0;  // towards it
  std::size_t queued = 0;
  std::size_t queued_bytes = 0;
};

class Broker {
 public:
  // Without a store nothing outlives the broker.
  Broker(BrokerOptions options, Hooks& hooks, const Clock& clock, Metrics& metrics,
         SessionStore* store = nullptr);
  // Wills are not sent; connections are closed.
  ~Broker();
  Broker(const Broker&) = delete;
  Broker& operator=(const Broker&) = delete;

  // Takes up what the store holds; before listen().
  Result<void> restore();
  // The store has lost what it was told: it is told all of it once more.
  void keep_anew();
  // For so long has this restored session's client been away: its expiry follows from that.
  void set_away(std::string_view client_id, std::int64_t away_ms);
  // The port that was bound; 0 for a Unix socket. `inherited` is listened on instead, if it is
  // open.
  Result<std::uint16_t> listen(const ListenerOptions& listener, UniqueFd inherited = {});
  // Reads the certificates, keys, revocation lists and users of the listener of that address anew,
  // and takes over what has changed of its other settings. Both count for new connections; those
  // that stand go on, but for clients whose certificate is revoked now: they are disconnected. With
  // an error nothing changes.
  Result<void> reload(const ListenerOptions& listener);
  // Closes the listening sockets; connections stay.
  void stop_listening();
  // The same for the listener of that address, as it was given to listen().
  void stop_listening(std::string_view address);
  // Ends every connection after flushing what is owed to it (design: clean shutdown).
  void disconnect_all();

  [[nodiscard]] int poll_fd() const;
  // Handles what is ready and what is due; waits up to timeout_ms for the first event. Returns the
  // milliseconds until the next timer of its own, at most 1000.
  int poll(int timeout_ms);

  // The store has these durable: acknowledge. Unknown tokens (a session that has gone) are ignored.
  void complete(std::span<const AckToken> tokens);
  // There is room again: offer held publishes anew.
  void resume_held();
  // A message of the gateway's own (a plugin's output, $SYS): to subscribers and the retained set.
  // It does not pass through the hooks. One with an invalid topic is dropped, counted and logged.
  // properties: MQTT 5, as in Publication. Without expires_in_ms it never expires.
  void publish(std::string_view topic, std::string_view payload, std::uint8_t qos, bool retain,
               std::string_view properties = {}, std::optional<std::int64_t> expires_in_ms = {});

  // What Hooks::authorise answers has changed: ask anew who may receive what.
  void access_changed();

  [[nodiscard]] BrokerStats stats() const;
  // Up to `limit` sessions in order of their ids, from the one after `after` on.
  [[nodiscard]] std::vector<ClientStatus> clients(std::string_view after, std::size_t limit) const;
  [[nodiscard]] std::optional<ClientStatus> client(std::string_view client_id) const;
  // Ends its connection; the session stays, its will is published. False when it is not connected.
  bool disconnect_client(std::string_view client_id);

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tg::broker
