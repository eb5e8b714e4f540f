// Counters and gauges, kept by prometheus-cpp and written out in its text format by the admin
// interface. Any thread may change a value; a family is made once, at start, and its handle kept.
//
// Names follow the Prometheus conventions: tidegate_<area>_<what>_<unit>, counters end in _total.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace tg {

using MetricLabels = std::map<std::string, std::string>;

class Counter {
 public:
  Counter() = default;  // counts nothing
  void add(std::uint64_t amount = 1);
  // For counters in seconds.
  void add_us(std::int64_t microseconds);
  [[nodiscard]] std::uint64_t value() const;

 private:
  friend class Metrics;
  explicit Counter(void* counter) : counter_(counter) {}
  void* counter_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void set(double value);
  void add(double amount);
  [[nodiscard]] double value() const;

 private:
  friend class Metrics;
  explicit Gauge(void* gauge) : gauge_(gauge) {}
  void* gauge_ = nullptr;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // The same name and labels give the same counter.
  Counter counter(const std::string& name, const std::string& help,
                  const MetricLabels& labels = {});
  Gauge gauge(const std::string& name, const std::string& help, const MetricLabels& labels = {});

  // The Prometheus text exposition, version 0.0.4.
  [[nodiscard]] std::string text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tg
