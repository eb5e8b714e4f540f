#include "tests/sim/cloud.h"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <thread>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "local-broker/broker/broker.h"
#include "tests/sim/decode.h"
#include "tests/sim/ledger.h"

namespace tg::sim {
namespace {

volatile std::sig_atomic_t stop_wanted = 0;
volatile std::sig_atomic_t cut_wanted = 0;

void on_signal(int number) {
  if (number == SIGUSR1) {
    cut_wanted = 1;
  } else {
    stop_wanted = 1;
  }
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  for (const int number : {SIGTERM, SIGINT, SIGUSR1}) sigaction(number, &action, nullptr);
}

class Recorder final : public broker::Hooks {
 public:
  explicit Recorder(CloudLedger& ledger) : decoder_(ledger) {}

  broker::Intake on_publish(const broker::Publication& publication, broker::AckToken) override {
    if (publication.topic.empty() || publication.topic[0] == '$') return broker::Intake::kDone;
    ++publishes_;
    records_ += decoder_.take(publication.topic, publication.payload, now_us());
    return broker::Intake::kDone;
  }
  [[nodiscard]] std::uint64_t publishes() const { return publishes_; }
  [[nodiscard]] std::uint64_t records() const { return records_; }

 private:
  Decoder decoder_;
  std::uint64_t publishes_ = 0;
  std::uint64_t records_ = 0;
};

class Cloud {
 public:
  Cloud(const CloudOptions& options, CloudLedger ledger)
      : options_(options), ledger_(std::move(ledger)), recorder_(ledger_), port_(options.port) {}

  int run() {
    if (!listen()) return 1;
    fmt::print("listening on {}:{}\n", options_.host, port_);
    std::fflush(stdout);
    while (stop_wanted == 0) {
      if (cut_wanted != 0) cut();
      if (broker_ == nullptr && clock_.mono_ms() >= back_at_ms_ && !listen()) return 1;
      step();
      report();
    }
    ledger_.flush();
    return ledger_.failed() ? 1 : 0;
  }

 private:
  bool listen() {
    broker_ =
        std::make_unique<broker::Broker>(broker::BrokerOptions{}, recorder_, clock_, metrics_);
    const auto port = broker_->listen({"cloud", fmt::format("{}:{}", options_.host, port_), true});
    if (!port) {
      fmt::print(stderr, "tidegate-sim: {}\n", port.error().message);
      return false;
    }
    port_ = *port;
    ledger_.listening(now_us());
    return true;
  }

  void cut() {
    cut_wanted = 0;
    if (broker_ == nullptr) return;
    ledger_.cut(now_us());
    broker_.reset();
    back_at_ms_ = clock_.mono_ms() + options_.cut_seconds * 1000LL;
  }

  void step() {
    constexpr int kWaitMs = 50;  // signals are looked at between two steps
    if (broker_ != nullptr) {
      broker_->poll(kWaitMs);
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(kWaitMs));
    }
  }

  void report() {
    const std::int64_t now_ms = clock_.mono_ms();
    if (now_ms >= flush_at_ms_) {
      ledger_.flush();
      flush_at_ms_ = now_ms + 200;
    }
    if (options_.stats_interval_ms == 0 || now_ms < stats_at_ms_) return;
    stats_at_ms_ = now_ms + options_.stats_interval_ms;
    fmt::print("state={} publishes={} records={}\n", broker_ != nullptr ? "up" : "cut",
               recorder_.publishes(), recorder_.records());
    std::fflush(stdout);
  }

  const CloudOptions& options_;
  SystemClock clock_;
  Metrics metrics_;
  CloudLedger ledger_;
  Recorder recorder_;
  std::uint16_t port_;
  std::unique_ptr<broker::Broker> broker_;  // null while cut off
  std::int64_t back_at_ms_ = 0;
  std::int64_t flush_at_ms_ = 0;
  std::int64_t stats_at_ms_ = 0;
};

}  // namespace

int run_cloud(const CloudOptions& options) {
  catch_signals();
  log::set_default_level(log::Level::kWarning);
  auto file = LedgerFile::open(options.ledger, true);
  if (!file) {
    fmt::print(stderr, "tidegate-sim: {}\n", file.error().message);
    return 1;
  }
  return Cloud(options, CloudLedger(std::move(*file))).run();
}

}  // namespace tg::sim
