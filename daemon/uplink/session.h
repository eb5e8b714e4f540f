// The session with the cloud: keeps one link connected, with back-off and a list of endpoints, and
// shares its window of unacknowledged publishes among the senders.
//
//   stopped → connecting → connected → disconnecting → backing-off → connecting …
//
// A generation of the link ends for one of: the link's own on_down, a publish unacknowledged for
// ack_timeout, a publish refused. Only after its on_closed do the senders send again. The first
// endpoint is preferred: it is tried first after each lost connection, the others in turn after
// failed attempts. The back-off is reset by an ack, or by stable_ms of connection.
//
// Priority: a free slot goes to the ready sender of the lowest number; among equals in turn.
// Thread: the loop's (T0). Owner: Uplink. The link and the senders outlive their use by it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/backoff.h"
#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/cloud/link.h"
#include "daemon/uplink/sender.h"

namespace tg::uplink {

struct SessionOptions {
  std::string name;
  std::vector<cloud::Endpoint> endpoints;  // at least one
  cloud::LinkOptions link;                 // but for its endpoint
  std::size_t window = 64;
  std::int64_t ack_timeout_ms = 30'000;
  std::int64_t backoff_min_ms = 1'000;
  std::int64_t backoff_max_ms = 120'000;
  std::int64_t stable_ms = 10'000;
};

enum class SessionState : std::uint8_t {
  kStopped = 0,
  kBackingOff = 1,
  kConnecting = 2,
  kConnected = 3,
  kDisconnecting = 4,
};
[[nodiscard]] std::string_view to_string(SessionState state);

struct SessionStatus {
  SessionState state = SessionState::kStopped;
  std::string reason;         // why it is not connected; empty when it is
  std::int64_t since_ms = 0;  // wall clock
  std::string endpoint;       // in use or tried last
  std::uint64_t reconnects = 0;
  std::size_t in_flight = 0;
  std::size_t window = 0;
};

class Session {
 public:
  Session(SessionOptions options, cloud::Link& link, const Clock& clock, Timers& timers,
          Metrics& metrics, std::uint64_t seed);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Before start().
  void add_sender(Sender& sender, int priority);
  void start();
  // Sends nothing more, waits at most drain_ms for what is in flight, closes the link, calls done.
  void stop(std::int64_t drain_ms, Task done);
  // A sender has become ready.
  void pump();
  [[nodiscard]] SessionStatus status() const;

 private:
  struct Seat {
    Sender* sender;
    int priority;
    std::uint64_t last_turn;
  };
  struct InFlight {
    Sender* sender;
    std::int64_t sent_ms;
  };

  [[nodiscard]] cloud::LinkEvents link_events();
  void on_connected(cloud::Connected connected);
  void on_down(std::string reason);
  void on_acked(std::uint64_t id);
  void on_refused(const std::string& reason);
  void on_closed();

  void connect();
  void back_off();
  // Ends the connection from our side; on_closed follows.
  void disconnect(std::string reason);
  void look_for_late_acks();
  [[nodiscard]] bool may_send() const;
  [[nodiscard]] Seat* next_seat();
  void close_link();
  void finish_stop();
  void set_state(SessionState state, std::string reason = {});
  void arm(TimerId& timer, std::int64_t delay_ms, Task task);
  void cancel(TimerId& timer);

  const SessionOptions options_;
  cloud::Link& link_;
  const Clock& clock_;
  Timers& timers_;
  Backoff backoff_;
  Gauge state_gauge_;
  Gauge in_flight_gauge_;
  Counter reconnects_;
  Counter publishes_;
  Counter acked_;
  Counter ack_timeouts_;

  std::vector<Seat> seats_;
  std::uint64_t turn_ = 0;
  SessionState state_ = SessionState::kStopped;
  std::string reason_;
  std::int64_t since_ms_ = 0;
  std::size_t endpoint_ = 0;
  bool was_connected_ = false;  // this generation
  bool ever_connected_ = false;
  std::uint64_t reconnect_count_ = 0;
  std::size_t window_ = 0;     // of this generation
  bool link_is_full_ = false;  // until the next ack
  cloud::Generation generation_ = 0;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, InFlight> in_flight_;  // by id, so the oldest is first
  bool stopping_ = false;
  Task stopped_;

  TimerId retry_timer_ = 0;
  TimerId stable_timer_ = 0;
  TimerId ack_timer_ = 0;
  TimerId stop_timer_ = 0;
};

}  // namespace tg::uplink
