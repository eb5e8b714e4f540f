#include "daemon/uplink/session.h"

#include <algorithm>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"

namespace tg::uplink {

namespace {

const log::Component kLog{"uplink"};

// The link's own bound for a graceful end is 2 s; a resolver that hangs knows none.
constexpr std::int64_t kCloseWaitMs = 3'000;

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
  }
  return "";
}

Session::Session(SessionOptions options, cloud::Link& link, const Clock& clock, Timers& timers,
                 Metrics& metrics, std::uint64_t seed)
    : options_(std::move(options)),
      link_(link),
      clock_(clock),
      timers_(timers),
      backoff_(options_.backoff_min_ms, options_.backoff_max_ms, seed),
      state_gauge_(
          metrics.gauge("tidegate_uplink_state",
                        "0 stopped, 1 backing off, 2 connecting, 3 connected, 4 disconnecting",
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
                                    {{"uplink", options_.name}})) {
  TG_ASSERT(!options_.endpoints.empty() && options_.window > 0);
  link_.set_events(link_events());
  set_state(SessionState::kStopped, "not started");
}

Session::~Session() {
  link_.set_events({});
  for (TimerId* timer : {&retry_timer_, &stable_timer_, &ack_timer_, &stop_timer_}) cancel(*timer);
}

cloud::LinkEvents Session::link_events() {
  cloud::LinkEvents events;
  events.on_connected = [this](cloud::Generation generation, cloud::Connected connected) {
    if (generation == generation_) on_connected(connected);
  };
  events.on_down = [this](cloud::Generation generation, std::string reason) {
    if (generation == generation_) on_down(std::move(reason));
  };
  events.on_acked = [this](cloud::Generation generation, std::uint64_t id) {
    if (generation == generation_) on_acked(id);
  };
  events.on_refused = [this](cloud::Generation generation, std::uint64_t id,
                             const std::string& reason) {
    if (generation == generation_ && in_flight_.contains(id)) on_refused(reason);
  };
  events.on_closed = [this](cloud::Generation generation) {
    if (generation == generation_) on_closed();
  };
  return events;
}

void Session::add_sender(Sender& sender, int priority) { seats_.push_back({&sender, priority, 0}); }

void Session::start() {
  TG_ASSERT(state_ == SessionState::kStopped && !stopping_);
  connect();
}

void Session::connect() {
  cloud::LinkOptions link = options_.link;
  link.endpoint = options_.endpoints[endpoint_];
  was_connected_ = false;
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
  for (const Seat& seat : seats_) seat.sender->link_up();
  pump();
}

void Session::on_down(std::string reason) {
  if (state_ == SessionState::kDisconnecting) return;
  log::warning(kLog, {{"UPLINK", options_.name}, {"REASON", reason}}, "{}: {} {}: {}",
               options_.name, was_connected_ ? "lost the connection to" : "cannot connect to",
               options_.endpoints[endpoint_].url(), reason);
  set_state(SessionState::kDisconnecting, std::move(reason));
}

void Session::disconnect(std::string reason) {
  if (state_ != SessionState::kConnected) return;
  log::warning(kLog, {{"UPLINK", options_.name}, {"REASON", reason}},
               "{}: disconnecting from {}: {}", options_.name, options_.endpoints[endpoint_].url(),
               reason);
  set_state(SessionState::kDisconnecting, std::move(reason));
  link_.close();
}

void Session::on_refused(const std::string& reason) { disconnect("publish refused: " + reason); }

void Session::on_closed() {
  cancel(stable_timer_);
  cancel(ack_timer_);
  generation_ = 0;
  in_flight_.clear();
  link_is_full_ = false;
  in_flight_gauge_.set(0);
  if (was_connected_) {
    for (const Seat& seat : seats_) seat.sender->link_closed();
  }
  if (stopping_) return finish_stop();
  endpoint_ = was_connected_ ? 0 : (endpoint_ + 1) % options_.endpoints.size();
  back_off();
}

void Session::back_off() {
  const std::int64_t delay_ms = backoff_.next_ms();
  log::info(kLog, "{}: next attempt in {} ms", options_.name, delay_ms);
  set_state(SessionState::kBackingOff, reason_);
  arm(retry_timer_, delay_ms, [this] { connect(); });
}

Session::Seat* Session::next_seat() {
  Seat* best = nullptr;
  for (Seat& seat : seats_) {
    if (!seat.sender->is_ready()) continue;
    const auto rank = [](const Seat& of) { return std::pair{of.priority, of.last_turn}; };
    if (best == nullptr || rank(seat) < rank(*best)) best = &seat;
  }
  return best;
}

bool Session::may_send() const {
  return state_ == SessionState::kConnected && !stopping_ && !link_is_full_ &&
         in_flight_.size() < window_;
}

void Session::pump() {
  while (may_send()) {
    Seat* seat = next_seat();
    if (seat == nullptr) break;
    const std::uint64_t id = ++last_id_;
    if (!link_.publish(seat->sender->take(id))) {
      seat->sender->untake(id);
      link_is_full_ = true;
      break;
    }
    seat->last_turn = ++turn_;
    in_flight_.emplace(id, InFlight{seat->sender, clock_.mono_ms()});
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
  in_flight_.erase(found);
  link_is_full_ = false;
  acked_.add();
  backoff_.reset();
  sender->acked(id);
  pump();
  if (stopping_ && in_flight_.empty()) close_link();
}

void Session::look_for_late_acks() {
  if (in_flight_.empty()) return;
  const std::int64_t age_ms = clock_.mono_ms() - in_flight_.begin()->second.sent_ms;
  if (age_ms < options_.ack_timeout_ms) {
    arm(ack_timer_, options_.ack_timeout_ms - age_ms, [this] { look_for_late_acks(); });
    return;
  }
  ack_timeouts_.add();
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
