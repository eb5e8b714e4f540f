#include "daemon/app/periodic_report.h"

#include <array>
#include <utility>

#include "daemon/base/backoff.h"

namespace tg::app {

PeriodicReport::PeriodicReport(const log::Component& component, PartsNow parts, Timers& timers,
                               Counter sent, Counter skipped, Make make)
    : component_(component),
      parts_(std::move(parts)),
      timers_(timers),
      sent_(sent),
      skipped_(skipped),
      make_(std::move(make)) {}

PeriodicReport::~PeriodicReport() { timers_.cancel(timer_); }

void PeriodicReport::configure(const ReportSettings& settings) {
  if (settings == settings_) return;
  settings_ = settings;
  timers_.cancel(std::exchange(timer_, 0));
  if (settings_.stream.empty()) return;
  const std::string who = parts_().config->gateway_id + '/' + settings_.topic;
  timer_ = timers_.after(stable_offset_ms(who, settings_.interval_ms), [this] { report(); });
}

void PeriodicReport::report() {
  timer_ = timers_.after(settings_.interval_ms, [this] { report(); });
  const Parts parts = parts_();
  if (parts.phase != Phase::kRunning) return;
  const std::string payload = make_(parts);
  store::Record record;
  record.publisher = parts.config->gateway_id;
  record.topic = settings_.topic;
  record.payload = payload;
  record.qos = 1;
  const std::array stream{parts.store->find_stream(settings_.stream)};
  if (parts.store->admit(stream, store::record_size_bound(record)) != store::Admission::kYes) {
    skipped_.add();
    log::debug(component_, "no room in stream {} for a report", settings_.stream);
    return;
  }
  record.received = parts.clock->now();
  parts.store->append(stream[0], record);
  sent_.add();
}

}  // namespace tg::app
