// The session with the cloud: keeps one link connected, with back-off and a list of endpoints, and
// shares its window of unacknowledged publishes among the senders.
//
//   stopped → connecting → connected → disconnecting → backing-off → connecting …
//
// A generation of the link ends for one of: the link's own on_down, a publish unacknowledged for
// ack_timeout, a publish refused. Only after its on_closed do the senders send again. The back-off
// is reset by an ack, or by stable_ms of connection.
//
// Fail-over: the first endpoint is preferred. It is tried first after each lost connection, the
//   others in turn after failed attempts, and after kShortLives connections in a row that ended
//   without an ack. An expensive endpoint is used only when a sender may, and by those alone.
// Fail-back: from another endpoint the way to the preferred one is looked at; when it has been open
//   kProbesInARow times, the publishes in flight are waited for and the connection changes over. If
//   the preferred one does not hold, the next look comes later each time.
// Clock (TEL-13): no TLS before the clock is synchronised, for at most wait_for_clock_ms.
// Isolation (design §7): after two unexplained ends with publishes in flight the window is 1, the
//   suspects go first, and only when the connection has been quiet for a while, until all of them
//   are settled.
// Limits: publishes and bytes a second by token buckets, before the window.
// Priority: a free slot goes to the ready sender of the lowest number; among equals in turn.
//   Among those of one priority live data and backlog share the bytes by backlog_share, and the
//   backlog leaves some of the window free, so that live data does not wait for it.
// Thin links: flight_limit.h bounds what is in flight where a whole window would time out.
// Thread: the loop's (T0). Owner: Uplink. The link and the senders outlive their use by it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/backoff.h"
#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/cloud/link.h"
#include "daemon/uplink/flight_limit.h"
#include "daemon/uplink/sender.h"
#include "daemon/uplink/token_bucket.h"

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
  // What the cloud takes from one connection, of all senders together; 0 = no limit.
  int backlog_share = 50;  // percent, beside live data of the same priority
  std::int64_t wait_for_clock_ms = 0;
  std::int64_t probe_ms = 60'000;       // between looks at the preferred endpoint
  std::int64_t probe_max_ms = 600'000;  // … when it did not hold before
  std::uint64_t publishes_per_second = 0;
  std::uint64_t bytes_per_second = 0;  // payloads and topics
};

enum class SessionState : std::uint8_t {
  kStopped = 0,
  kBackingOff = 1,
  kConnecting = 2,
  kConnected = 3,
  kDisconnecting = 4,
  kWaitingForClock = 5,
};
[[nodiscard]] std::string_view to_string(SessionState state);

struct SessionStatus {
  SessionState state = SessionState::kStopped;
  std::string reason;         // why it is not connected; empty when it is
  std::string cause;          // the same in one word (cloud::DownCause, clock); empty when it is
  bool expensive = false;     // the endpoint
  bool isolating = false;     // one publish at a time, to find one that the cloud refuses
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
  // Before start(): filters that are subscribed at each connection, and who gets their messages.
  void subscribe(std::vector<std::string> filters,
                 std::function<void(const cloud::IncomingMessage&)> on_message);
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
    std::size_t size;
    bool is_backlog;
  };

  [[nodiscard]] cloud::LinkEvents link_events();
  void on_connected(cloud::Connected connected);
  void on_down(const cloud::Down& down);
  void on_acked(std::uint64_t id);
  void on_refused(std::uint64_t id, const cloud::Refusal& refusal);
  void on_closed();

  void connect();
  [[nodiscard]] bool must_wait_for_clock();
  [[nodiscard]] bool is_usable(const cloud::Endpoint& endpoint) const;
  // The first usable endpoint from `from` on, going round.
  [[nodiscard]] std::size_t usable_endpoint(std::size_t from) const;
  void choose_next_endpoint();
  void look_ahead();
  void on_looked(const cloud::Down& obstacle);
  void change_over();
  void back_off();
  // Ends the connection from our side; on_closed follows.
  void disconnect(std::string reason);
  void look_for_late_acks();
  // It is not in flight any more.
  void forget(std::uint64_t id);
  void tell_closed();
  void count_failure(std::string_view cause);
  void isolate(bool on);
  void leave_isolation_if_settled();
  [[nodiscard]] bool has_suspects() const;
  [[nodiscard]] bool may_send() const;
  // True when the limits of the cloud are used up; it goes on by itself.
  [[nodiscard]] bool must_wait();
  [[nodiscard]] Seat* next_seat();
  [[nodiscard]] bool is_backlogs_turn() const;
  void count_share(std::size_t size, bool is_backlog);
  void close_link();
  void finish_stop();
  void set_state(SessionState state, std::string reason = {});
  void arm(TimerId& timer, std::int64_t delay_ms, Task task);
  void cancel(TimerId& timer);

  const SessionOptions options_;
  cloud::Link& link_;
  const Clock& clock_;
  Timers& timers_;
  Metrics& metrics_;
  Backoff backoff_;
  Gauge state_gauge_;
  Gauge in_flight_gauge_;
  Counter reconnects_;
  Counter publishes_;
  Counter acked_;
  Counter ack_timeouts_;
  Counter limited_;

  TokenBucket publish_quota_;
  TokenBucket byte_quota_;
  FlightLimit flight_limit_;
  std::size_t batch_bytes_ = FlightLimit::kNone;  // what the senders know of it
  std::size_t bytes_in_flight_ = 0;
  std::size_t backlog_in_flight_ = 0;  // publishes
  std::uint64_t live_bytes_ = 0;       // sent lately while both waited
  std::uint64_t backlog_bytes_ = 0;
  bool is_contended_ = false;
  std::vector<std::string> filters_;
  std::function<void(const cloud::IncomingMessage&)> on_message_;

  std::vector<Seat> seats_;
  std::uint64_t turn_ = 0;
  SessionState state_ = SessionState::kStopped;
  std::string reason_;
  std::int64_t since_ms_ = 0;
  std::size_t endpoint_ = 0;
  int short_lives_ = 0;        // connections in a row that ended without an ack
  bool was_acked_ = false;     // this generation
  bool is_changing_ = false;   // back to the preferred endpoint: nothing new is sent
  bool changed_over_ = false;  // … and the connection that follows is the first there
  bool is_looking_ = false;
  int open_looks_ = 0;  // in a row
  std::int64_t probe_wait_ms_ = 0;
  std::int64_t started_ms_ = 0;
  bool clock_given_up_ = false;
  bool was_connected_ = false;  // this generation
  bool ever_connected_ = false;
  std::uint64_t reconnect_count_ = 0;
  std::size_t window_ = 0;     // of this generation
  bool link_is_full_ = false;  // until the next ack
  cloud::DownCause cause_ = cloud::DownCause::kOther;
  bool peer_closed_ = false;  // this generation, without telling why
  int unexplained_ends_ = 0;  // since nothing was suspect
  bool is_isolating_ = false;
  bool is_settling_ = false;  // isolating, and the connection is new
  cloud::Generation generation_ = 0;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, InFlight> in_flight_;  // by id, so the oldest is first
  bool stopping_ = false;
  Task stopped_;

  TimerId retry_timer_ = 0;
  TimerId stable_timer_ = 0;
  TimerId ack_timer_ = 0;
  TimerId stop_timer_ = 0;
  TimerId quota_timer_ = 0;
  TimerId settle_timer_ = 0;
  TimerId probe_timer_ = 0;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace tg::uplink
