#include "daemon/base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace tg {

struct Metrics::State {
  prometheus::Registry registry;
};

void Counter::add(std::uint64_t amount) {
  if (counter_ != nullptr) {
    static_cast<prometheus::Counter*>(counter_)->Increment(static_cast<double>(amount));
  }
}

void Counter::add_us(std::int64_t microseconds) {
  if (counter_ != nullptr && microseconds > 0) {
    static_cast<prometheus::Counter*>(counter_)->Increment(static_cast<double>(microseconds) / 1e6);
  }
}

std::uint64_t Counter::value() const {
  if (counter_ == nullptr) return 0;
  return static_cast<std::uint64_t>(static_cast<prometheus::Counter*>(counter_)->Value());
}

void Gauge::set(double value) {
  if (gauge_ != nullptr) static_cast<prometheus::Gauge*>(gauge_)->Set(value);
}

void Gauge::add(double amount) {
  if (gauge_ != nullptr) static_cast<prometheus::Gauge*>(gauge_)->Increment(amount);
}

double Gauge::value() const {
  return gauge_ == nullptr ? 0.0 : static_cast<prometheus::Gauge*>(gauge_)->Value();
}

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(const std::string& name, const std::string& help,
                         const MetricLabels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
  return Counter(&family.Add(labels));
}

Gauge Metrics::gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
  return Gauge(&family.Add(labels));
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace tg
