#include "daemon/app/periodic_report.h"

#include <array>
#include <random>
#include <utility>

#include "daemon/base/log.h"

namespace tg::app {
namespace {

const log::Component kLog{"health"};

std::int64_t random_part_of(std::int64_t interval_ms) {
  std::random_device source;
  return std::uniform_int_distribution<std::int64_t>(1, interval_ms)(source);
}

}  // namespace

PeriodicReport::PeriodicReport(const char* name, PartsNow parts, Timers& timers, Counter sent,
                               Counter skipped, Make make)
    : name_(name),
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
  timer_ = timers_.after(random_part_of(settings_.interval_ms), [this] { report(); });
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
    log::debug(kLog, "no room in stream {} for a {}", settings_.stream, name_);
    return;
  }
  record.received = parts.clock->now();
  parts.store->append(stream[0], record);
  sent_.add();
}

}  // namespace tg::app
