#include "daemon/app/canary.h"

#include <fmt/format.h>

#include <utility>

#include "daemon/base/log.h"

namespace tg::app {
namespace {

const log::Component kLog{"canary"};

}  // namespace

Canary::Canary(Tracer& tracer, Publish publish, const Clock& clock, Timers& timers,
               Metrics& metrics)
    : tracer_(tracer),
      publish_(std::move(publish)),
      clock_(clock),
      timers_(timers),
      successes_(metrics.counter("tidegate_canary_successes_total",
                                 "Messages of the canary that every reader has handled")),
      failures_(metrics.counter("tidegate_canary_failures_total",
                                "Messages of the canary that did not arrive in time")),
      healthy_(metrics.gauge("tidegate_canary_healthy",
                             "1 when the last message of the canary arrived, 0 when not; -1 before "
                             "the first one or when it is off")),
      seconds_(metrics.gauge("tidegate_canary_duration_seconds",
                             "How long the last message that arrived was under way")) {
  healthy_.set(-1);
}

Canary::~Canary() {
  tracer_.cancel(flight_);
  timers_.cancel(timer_);
}

void Canary::configure(const config::Canary& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  timers_.cancel(std::exchange(timer_, 0));
  tracer_.cancel(std::exchange(flight_, 0));
  healthy_.set(-1);
  if (settings_.interval_ms > 0) {
    timer_ = timers_.after(settings_.interval_ms, [this] { send(); });
  }
}

void Canary::send() {
  timer_ = timers_.after(settings_.interval_ms, [this] { send(); });
  if (flight_ != 0) return;  // the one before has until its time limit
  flight_ = tracer_.wait(settings_.topic, settings_.timeout_ms,
                         [this](const Tracer::Report& report) { finished(report); });
  if (flight_ == 0) return;  // 8 people trace: next time
  publish_(settings_.topic,
           fmt::format("{{\"canary\":{},\"time\":{}}}", ++number_, clock_.now().wall_ms));
}

void Canary::finished(const Tracer::Report& report) {
  flight_ = 0;
  healthy_.set(report.is_complete ? 1 : 0);
  if (report.is_complete) {
    successes_.add();
    const auto us = report.steps.empty() ? 0 : report.steps.back().after_us;
    seconds_.set(static_cast<double>(us) / 1e6);
    return;
  }
  failures_.add();
  const std::string last = report.steps.empty()
                               ? "nothing"
                               : report.steps.back().stage + ": " + report.steps.back().text;
  log::warning(kLog, {{"REASON", report.outcome}},
               "message {} on {} did not arrive in {} s: {}; last step: {}", number_,
               settings_.topic, settings_.timeout_ms / 1000, report.outcome, last);
}

}  // namespace tg::app
