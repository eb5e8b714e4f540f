#include "daemon/uplink/session.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"

namespace tg::uplink {

namespace {

const log::Component kLog{"uplink"};

// The link's own bound for a graceful end is 2 s; a resolver that hangs knows none.
constexpr std::int64_t kCloseWaitMs = 3'000;

constexpr int kEndsToIsolate = 2;
constexpr int kShortLives = 3;
constexpr std::size_t kLiveReserve = 8;                         // an eighth of the window
constexpr std::uint64_t kShareMemory = std::uint64_t{1} << 20;  // bytes
constexpr int kProbesInARow = 3;
constexpr std::int64_t kClockCheckMs = 1'000;

}  // namespace

std::string_view to_string(SessionState state) {
  switch (state) {
    case SessionState::kStopped:
      return "stopped";
    case SessionState::kBackingOff:
      return "backing-off";
    case SessionState::kConnecting:
      return "connecting";
    case SessionState::kConnected:
      return "connected";
    case SessionState::kDisconnecting:
      return "disconnecting";
    case SessionState::kWaitingForClock:
      return "waiting-for-clock";
  }
  return "";
}

Session::Session(SessionOptions options, cloud::Link& link, const Clock& clock, Timers& timers,
                 Metrics& metrics, std::uint64_t seed)
    : options_(std::move(options)),
      link_(link),
      clock_(clock),
      timers_(timers),
      metrics_(metrics),
      backoff_(options_.backoff_min_ms, options_.backoff_max_ms, seed),
      state_gauge_(
          metrics.gauge("tidegate_uplink_state",
                        "0 stopped, 1 backing off, 2 connecting, 3 connected, 4 disconnecting, "
                        "5 waiting for the clock",
                        {{"uplink", options_.name}})),
      in_flight_gauge_(metrics.gauge("tidegate_uplink_inflight", "Publishes not acknowledged yet",
                                     {{"uplink", options_.name}})),
      reconnects_(metrics.counter("tidegate_uplink_reconnects_total",
                                  "Connections made after the first", {{"uplink", options_.name}})),
      publishes_(metrics.counter("tidegate_uplink_publishes_total",
                                 "Publishes sent, repeated ones included",
                                 {{"uplink", options_.name}})),
      acked_(metrics.counter("tidegate_uplink_acked_total", "Publishes acknowledged",
                             {{"uplink", options_.name}})),
      ack_timeouts_(metrics.counter("tidegate_uplink_ack_timeouts_total",
                                    "Connections ended because a publish was not acknowledged",
                                    {{"uplink", options_.name}})),
      limited_(metrics.counter("tidegate_uplink_limited_total",
                               "Times that publishes waited for the limits of the cloud",
                               {{"uplink", options_.name}})),
      publish_quota_(options_.publishes_per_second),
      byte_quota_(options_.bytes_per_second),
      flight_limit_(options_.ack_timeout_ms) {
  TG_ASSERT(!options_.endpoints.empty() && options_.window > 0);
  link_.set_events(link_events());
  set_state(SessionState::kStopped, "not started");
}

Session::~Session() {
  link_.set_events({});
  for (TimerId* timer : {&retry_timer_, &stable_timer_, &ack_timer_, &stop_timer_, &quota_timer_,
                         &settle_timer_, &probe_timer_}) {
    cancel(*timer);
  }
}

cloud::LinkEvents Session::link_events() {
  cloud::LinkEvents events;
  events.on_connected = [this](cloud::Generation generation, cloud::Connected connected) {
    if (generation == generation_) on_connected(connected);
  };
  events.on_down = [this](cloud::Generation generation, const cloud::Down& down) {
    if (generation == generation_) on_down(down);
  };
  events.on_acked = [this](cloud::Generation generation, std::uint64_t id) {
    if (generation == generation_) on_acked(id);
  };
  events.on_refused = [this](cloud::Generation generation, std::uint64_t id,
                             const cloud::Refusal& refusal) {
    if (generation == generation_ && in_flight_.contains(id)) on_refused(id, refusal);
  };
  events.on_message = [this](cloud::Generation generation, const cloud::IncomingMessage& message) {
    if (generation == generation_ && on_message_) on_message_(message);
  };
  events.on_not_subscribed = [this](cloud::Generation generation, const std::string& filter,
                                    const std::string& reason) {
    if (generation != generation_) return;
    log::error(kLog, "{}: the cloud refuses the subscription to {}: {}", options_.name, filter,
               reason);
    count_failure("subscription");
  };
  events.on_closed = [this](cloud::Generation generation) {
    if (generation == generation_) on_closed();
  };
  return events;
}

void Session::add_sender(Sender& sender, int priority) { seats_.push_back({&sender, priority, 0}); }

void Session::subscribe(std::vector<std::string> filters,
                        std::function<void(const cloud::IncomingMessage&)> on_message) {
  filters_ = std::move(filters);
  on_message_ = std::move(on_message);
}

void Session::start() {
  TG_ASSERT(state_ == SessionState::kStopped && !stopping_);
  started_ms_ = clock_.mono_ms();
  probe_wait_ms_ = options_.probe_ms;
  endpoint_ = usable_endpoint(0);
  connect();
}

bool Session::must_wait_for_clock() {
  if (clock_given_up_ || !options_.endpoints[endpoint_].tls) return false;
  if (clock_.now().quality == ClockQuality::kSynchronised) return false;
  if (clock_.mono_ms() - started_ms_ < options_.wait_for_clock_ms) return true;
  if (options_.wait_for_clock_ms > 0) {
    log::warning(kLog, "{}: the clock is not synchronised after {} s; connecting all the same",
                 options_.name, options_.wait_for_clock_ms / 1000);
  }
  clock_given_up_ = true;
  return false;
}

bool Session::is_usable(const cloud::Endpoint& endpoint) const {
  return !endpoint.expensive || std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    return seat.sender->may_use_expensive();
  });
}

std::size_t Session::usable_endpoint(std::size_t from) const {
  const std::size_t count = options_.endpoints.size();
  TG_ASSERT(count > 0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = (from + i) % count;
    if (is_usable(options_.endpoints[at])) return at;
  }
  return from % count;  // only expensive ones, for nobody: connected, and nothing is sent
}

void Session::connect() {
  if (must_wait_for_clock()) {
    if (state_ != SessionState::kWaitingForClock) {
      log::info(kLog, "{}: waits for the clock to be synchronised", options_.name);
      set_state(SessionState::kWaitingForClock, "the system clock is not synchronised");
    }
    arm(retry_timer_, kClockCheckMs, [this] { connect(); });
    return;
  }
  cloud::LinkOptions link = options_.link;
  link.endpoint = options_.endpoints[endpoint_];
  was_connected_ = false;
  was_acked_ = false;
  peer_closed_ = false;
  log::debug(kLog, "{}: connecting to {}", options_.name, link.endpoint.url());
  set_state(SessionState::kConnecting, reason_);
  generation_ = link_.open(std::move(link));
}

void Session::on_connected(cloud::Connected connected) {
  if (state_ != SessionState::kConnecting || stopping_) return;
  was_connected_ = true;
  const auto receive_maximum = std::max<std::size_t>(connected.receive_maximum, 1);
  window_ = std::min(options_.window, receive_maximum);
  if (std::exchange(ever_connected_, true)) {
    ++reconnect_count_;
    reconnects_.add();
  }
  log::info(kLog, {{"UPLINK", options_.name}}, "{}: connected to {} session_present={} window={}",
            options_.name, options_.endpoints[endpoint_].url(), connected.session_present, window_);
  set_state(SessionState::kConnected);
  arm(stable_timer_, options_.stable_ms, [this] { backoff_.reset(); });
  cause_ = cloud::DownCause::kOther;
  if (!filters_.empty()) link_.subscribe(filters_);
  batch_bytes_ = flight_limit_.batch_bytes();
  for (const Seat& seat : seats_) seat.sender->link_up(batch_bytes_);
  is_settling_ = is_isolating_;
  if (is_settling_) {
    arm(settle_timer_, options_.backoff_min_ms, [this] {
      is_settling_ = false;
      pump();
    });
  }
  if (endpoint_ != usable_endpoint(0)) {
    open_looks_ = 0;
    arm(probe_timer_, probe_wait_ms_, [this] { look_ahead(); });
  }
  pump();
}

// The preferred endpoint, from another one.
void Session::look_ahead() {
  if (is_looking_) return;
  cloud::LinkOptions link = options_.link;
  link.endpoint = options_.endpoints[usable_endpoint(0)];
  is_looking_ = true;
  link_.probe(std::move(link), [this, alive = std::weak_ptr(alive_)](const cloud::Down& obstacle) {
    if (alive.expired()) return;
    is_looking_ = false;
    on_looked(obstacle);
  });
}

void Session::on_looked(const cloud::Down& obstacle) {
  if (state_ != SessionState::kConnected || stopping_ || endpoint_ == usable_endpoint(0)) return;
  open_looks_ = obstacle.reason.empty() ? open_looks_ + 1 : 0;
  if (open_looks_ >= kProbesInARow) return change_over();
  arm(probe_timer_, probe_wait_ms_, [this] { look_ahead(); });
}

void Session::change_over() {
  log::info(kLog, "{}: {} can be reached again: changing over", options_.name,
            options_.endpoints[usable_endpoint(0)].url());
  is_changing_ = true;
  if (in_flight_.empty()) disconnect("changing over to the preferred endpoint");
}

void Session::on_down(const cloud::Down& down) {
  if (state_ == SessionState::kDisconnecting) return;
  log::warning(kLog, {{"UPLINK", options_.name}, {"REASON", down.reason}}, "{}: {} {}: {}",
               options_.name, was_connected_ ? "lost the connection to" : "cannot connect to",
               options_.endpoints[endpoint_].url(), down.reason);
  cause_ = down.cause;
  // A certificate that is not valid "now" says little while the clock is wrong.
  const bool clock_is_wrong = down.cause == cloud::DownCause::kExpired &&
                              clock_.now().quality != ClockQuality::kSynchronised;
  count_failure(clock_is_wrong ? "clock" : to_string(down.cause));
  peer_closed_ =
      down.cause == cloud::DownCause::kClosed || down.cause == cloud::DownCause::kRejected;
  set_state(SessionState::kDisconnecting,
            clock_is_wrong ? down.reason + " (the system clock is not synchronised)" : down.reason);
}

void Session::disconnect(std::string reason) {
  if (state_ != SessionState::kConnected) return;
  log::warning(kLog, {{"UPLINK", options_.name}, {"REASON", reason}},
               "{}: disconnecting from {}: {}", options_.name, options_.endpoints[endpoint_].url(),
               reason);
  set_state(SessionState::kDisconnecting, std::move(reason));
  link_.close();
}

void Session::on_refused(std::uint64_t id, const cloud::Refusal& refusal) {
  if (!refusal.for_ever) return disconnect("publish refused: " + refusal.reason);
  Sender* sender = in_flight_.at(id).sender;
  if (sender->refused(id, refusal.reason)) {
    forget(id);
    return pump();
  }
  log::warning(kLog, "{}: a publish is refused ({}): its records are sent one by one",
               options_.name, refusal.reason);
  isolate(true);
  disconnect("publish refused: " + refusal.reason);
}

void Session::on_closed() {
  cancel(stable_timer_);
  cancel(ack_timer_);
  cancel(settle_timer_);
  generation_ = 0;
  if (was_connected_) tell_closed();
  in_flight_.clear();
  bytes_in_flight_ = backlog_in_flight_ = 0;
  link_is_full_ = false;
  in_flight_gauge_.set(0);
  if (stopping_) return finish_stop();
  const bool changing = std::exchange(is_changing_, false);
  choose_next_endpoint();
  changed_over_ = changing;
  if (changing) return connect();
  back_off();
}

void Session::choose_next_endpoint() {
  cancel(probe_timer_);
  short_lives_ = was_connected_ && !was_acked_ && peer_closed_ ? short_lives_ + 1 : 0;
  const bool held = was_connected_ && short_lives_ < kShortLives;
  if (changed_over_) {  // did it hold?
    probe_wait_ms_ = held ? options_.probe_ms : std::min(probe_wait_ms_ * 2, options_.probe_max_ms);
  }
  if (!held) short_lives_ = 0;
  endpoint_ = usable_endpoint(held ? 0 : endpoint_ + 1);
}

void Session::tell_closed() {
  const LinkEnd end{!peer_closed_ || in_flight_.empty(), in_flight_.size(), reason_};
  if (!end.explained && ++unexplained_ends_ >= kEndsToIsolate) isolate(true);
  for (const Seat& seat : seats_) seat.sender->link_closed(end);
  leave_isolation_if_settled();
}

void Session::isolate(bool on) {
  if (on == is_isolating_) return;
  is_isolating_ = on;
  log::info(kLog, "{}: {}", options_.name,
            on ? "one publish at a time, to find one that the cloud refuses"
               : "no publish is suspect any more");
  for (const Seat& seat : seats_) seat.sender->isolate(on);
}

bool Session::has_suspects() const {
  return std::any_of(seats_.begin(), seats_.end(),
                     [](const Seat& seat) { return seat.sender->is_suspect(); });
}

void Session::leave_isolation_if_settled() {
  if ((unexplained_ends_ == 0 && !is_isolating_) || has_suspects()) return;
  unexplained_ends_ = 0;
  isolate(false);
}

void Session::back_off() {
  const std::int64_t delay_ms = backoff_.next_ms();
  log::info(kLog, "{}: next attempt in {} ms", options_.name, delay_ms);
  set_state(SessionState::kBackingOff, reason_);
  arm(retry_timer_, delay_ms, [this] { connect(); });
}

void Session::count_failure(std::string_view cause) {
  metrics_
      .counter("tidegate_uplink_failures_total", "Connections that failed or were lost, by cause",
               {{"uplink", options_.name}, {"cause", std::string(cause)}})
      .add();
}

// The best of those that are ready, and of them all live data's and backlog's own best.
Session::Seat* Session::next_seat() {
  const bool expensive = options_.endpoints[endpoint_].expensive;
  const auto rank = [this](const Seat& of) {
    return std::pair{is_isolating_ && !of.sender->is_suspect(), of.priority};
  };
  const auto is_better = [&rank](const Seat& one, const Seat* other) {
    return other == nullptr ||
           std::tuple{rank(one), one.last_turn} < std::tuple{rank(*other), other->last_turn};
  };
  // Backlog leaves an eighth of the window to those that are live, if there is anybody else.
  const bool backlog_has_room =
      seats_.size() == 1 || is_isolating_ ||
      backlog_in_flight_ < std::max<std::size_t>(window_ - window_ / kLiveReserve, 1);
  Seat* live = nullptr;
  Seat* backlog = nullptr;
  for (Seat& seat : seats_) {
    if (!seat.sender->is_ready() || (expensive && !seat.sender->may_use_expensive())) continue;
    if (!seat.sender->is_backlog()) {
      if (is_better(seat, live)) live = &seat;
    } else if (backlog_has_room && is_better(seat, backlog)) {
      backlog = &seat;
    }
  }
  if (live == nullptr || backlog == nullptr) return live != nullptr ? live : backlog;
  if (rank(*live) != rank(*backlog)) return rank(*live) < rank(*backlog) ? live : backlog;
  is_contended_ = true;
  return is_backlogs_turn() ? backlog : live;
}

bool Session::is_backlogs_turn() const {
  const auto share = static_cast<std::uint64_t>(options_.backlog_share);
  return backlog_bytes_ * (100 - share) < live_bytes_ * share;
}

// Of late: the older a byte, the less it counts.
void Session::count_share(std::size_t size, bool is_backlog) {
  if (!std::exchange(is_contended_, false)) return;
  (is_backlog ? backlog_bytes_ : live_bytes_) += size;
  if (live_bytes_ + backlog_bytes_ < kShareMemory) return;
  live_bytes_ /= 2;
  backlog_bytes_ /= 2;
}

bool Session::may_send() const {
  return state_ == SessionState::kConnected && !stopping_ && !link_is_full_ && !is_settling_ &&
         !is_changing_ && flight_limit_.allows(bytes_in_flight_) &&
         in_flight_.size() < (is_isolating_ ? 1 : window_);
}

bool Session::must_wait() {
  if (quota_timer_ != 0) return true;
  const std::int64_t now_us = clock_.mono_us();
  const std::int64_t wait_ms =
      std::max(publish_quota_.wait_ms(now_us), byte_quota_.wait_ms(now_us));
  if (wait_ms == 0) return false;
  limited_.add();
  arm(quota_timer_, wait_ms, [this] { pump(); });
  return true;
}

void Session::pump() {
  leave_isolation_if_settled();
  while (may_send()) {
    Seat* seat = next_seat();
    if (seat == nullptr || must_wait()) break;
    const std::uint64_t id = ++last_id_;
    const bool is_backlog = seat->sender->is_backlog();
    cloud::OutgoingPublish publish = seat->sender->take(id);
    const std::size_t size = publish.payload.size() + publish.topic.size();
    if (!link_.publish(std::move(publish))) {
      seat->sender->untake(id);
      link_is_full_ = true;
      break;
    }
    publish_quota_.take(1, clock_.mono_us());
    byte_quota_.take(size, clock_.mono_us());
    count_share(size, is_backlog);
    seat->last_turn = ++turn_;
    in_flight_.emplace(id, InFlight{seat->sender, clock_.mono_ms(), size, is_backlog});
    bytes_in_flight_ += size;
    if (is_backlog) ++backlog_in_flight_;
    publishes_.add();
    if (ack_timer_ == 0) {
      arm(ack_timer_, options_.ack_timeout_ms, [this] { look_for_late_acks(); });
    }
  }
  in_flight_gauge_.set(static_cast<double>(in_flight_.size()));
}

void Session::on_acked(std::uint64_t id) {
  const auto found = in_flight_.find(id);
  if (found == in_flight_.end()) return;
  Sender* sender = found->second.sender;
  flight_limit_.acked(found->second.size, clock_.mono_ms() - found->second.sent_ms);
  if (flight_limit_.batch_bytes() / 2 >= batch_bytes_) {
    batch_bytes_ = flight_limit_.batch_bytes();
    for (const Seat& seat : seats_) seat.sender->link_grew(batch_bytes_);
  }
  forget(id);
  acked_.add();
  was_acked_ = true;
  backoff_.reset();
  sender->acked(id);
  pump();
  if (is_changing_ && in_flight_.empty()) disconnect("changing over to the preferred endpoint");
  if (stopping_ && in_flight_.empty()) close_link();
}

void Session::forget(std::uint64_t id) {
  const auto found = in_flight_.find(id);
  bytes_in_flight_ -= found->second.size;
  if (found->second.is_backlog) --backlog_in_flight_;
  in_flight_.erase(found);
  link_is_full_ = false;
}

void Session::look_for_late_acks() {
  if (in_flight_.empty()) return;
  const std::int64_t age_ms = clock_.mono_ms() - in_flight_.begin()->second.sent_ms;
  if (age_ms < options_.ack_timeout_ms) {
    arm(ack_timer_, options_.ack_timeout_ms - age_ms, [this] { look_for_late_acks(); });
    return;
  }
  ack_timeouts_.add();
  count_failure("ack-timeout");
  flight_limit_.timed_out(bytes_in_flight_);
  cause_ = cloud::DownCause::kUnreachable;
  disconnect("no acknowledgement within " + std::to_string(options_.ack_timeout_ms) + " ms");
}

void Session::stop(std::int64_t drain_ms, Task done) {
  TG_ASSERT(!stopping_);
  stopping_ = true;
  stopped_ = std::move(done);
  cancel(retry_timer_);
  if (generation_ == 0) return finish_stop();
  const bool draining = state_ == SessionState::kConnected && !in_flight_.empty();
  if (!draining) return close_link();
  arm(stop_timer_, drain_ms, [this] { close_link(); });
}

void Session::close_link() {
  arm(stop_timer_, kCloseWaitMs, [this] { finish_stop(); });
  if (state_ == SessionState::kDisconnecting) return;  // on_closed is on its way
  set_state(SessionState::kDisconnecting, "stopping");
  link_.close();
}

void Session::finish_stop() {
  cancel(stop_timer_);
  generation_ = 0;
  set_state(SessionState::kStopped, "stopped");
  if (stopped_) std::exchange(stopped_, nullptr)();
}

SessionStatus Session::status() const {
  SessionStatus status;
  status.state = state_;
  status.reason = reason_;
  if (state_ == SessionState::kWaitingForClock) {
    status.cause = "clock";
  } else if (!reason_.empty()) {
    status.cause = to_string(cause_);
  }
  status.expensive = options_.endpoints[endpoint_].expensive;
  status.isolating = is_isolating_;
  status.since_ms = since_ms_;
  status.endpoint = options_.endpoints[endpoint_].url();
  status.reconnects = reconnect_count_;
  status.in_flight = in_flight_.size();
  status.window = options_.window;
  return status;
}

void Session::set_state(SessionState state, std::string reason) {
  state_ = state;
  reason_ = std::move(reason);
  since_ms_ = clock_.now().wall_ms;
  state_gauge_.set(static_cast<double>(state));
}

void Session::arm(TimerId& timer, std::int64_t delay_ms, Task task) {
  cancel(timer);
  timer = timers_.after(delay_ms, [&timer, task = std::move(task)] {
    timer = 0;
    task();
  });
}

void Session::cancel(TimerId& timer) {
  if (timer != 0) timers_.cancel(std::exchange(timer, 0));
}

}  // namespace tg::uplink
