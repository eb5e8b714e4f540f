#include "tests/sim/fleet.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "tests/sim/device.h"

namespace tg::sim {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kStepUs = 5'000;  // samples are made in batches this far apart
constexpr std::int64_t kTickUs = 50'000;
constexpr std::int64_t kConnectSpreadUs = 300'000;
constexpr std::int64_t kConnectPatienceUs = 10 * kSecondUs;
constexpr std::uint64_t kMaxBurst = 10'000;  // after a pause of this program itself

volatile std::sig_atomic_t signals_seen = 0;

void on_signal(int) { signals_seen = signals_seen + 1; }

class Fleet {
 public:
  Fleet(const FleetOptions& options, DevicesLedger ledger)
      : options_(options),
        plan_(make_plan(options.plan)),
        ledger_(std::move(ledger)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        random_(options.seed),
        cuts_(options.faults.disconnects) {
    state_.gateway.sin_family = AF_INET;
    state_.gateway.sin_port = htons(options.port);
    state_.epoll = epoll_.get();
    state_.ledger = &ledger_;
    state_.made.resize(plan_.tracks.size());
    for (const Track& track : plan_.tracks) {
      ledger_.track(track, plan_.devices[track.publisher]);
      by_kind_[static_cast<std::size_t>(track.kind)].push_back(track.id);
    }
    for (std::uint32_t i = 0; i < plan_.devices.size(); ++i) {
      devices_.push_back(std::make_unique<Device>(plan_, i, state_, random_()));
      for (const Subscription& subscription : plan_.subscriptions[i]) {
        ++state_.local[static_cast<std::size_t>(subscription.pattern)].subscriptions;
      }
    }
  }

  Result<void> prepare() {
    if (::inet_pton(AF_INET, options_.host.c_str(), &state_.gateway.sin_addr) != 1) {
      return fail(ErrorCode::kInvalid, fmt::format("{} is not an IPv4 address", options_.host));
    }
    if (!options_.tls.ca.empty()) {
      auto tls = TlsContext::make(options_.tls);
      if (!tls) return tl::unexpected(tls.error());
      tls_.emplace(std::move(*tls));
      state_.tls = &*tls_;
    }
    faults_.emplace(options_.faults, state_.gateway, state_.tls);
    return {};
  }

  int run() {
    connect_all();
    begin_us_ = now_us();
    faults_->begin(begin_us_);
    const auto duration_us = static_cast<std::int64_t>(options_.duration_s * kSecondUs);
    const auto stages = static_cast<std::int64_t>(options_.stages.size());
    for (std::int64_t i = 0; i < stages; ++i) {
      const bool is_last = i + 1 == stages;
      const std::int64_t end_us = duration_us == 0 && is_last
                                      ? std::numeric_limits<std::int64_t>::max()
                                      : begin_us_ + duration_us * (i + 1) / stages;
      run_stage(options_.stages[static_cast<std::size_t>(i)], end_us);
    }
    drain();
    return finish();
  }

 private:
  void connect_all() {
    std::uniform_int_distribution<std::int64_t> spread(0, kConnectSpreadUs);
    const std::int64_t begin_us = now_us();
    for (auto& device : devices_) device->start(begin_us, spread(random_));
    while (signals_seen == 0 && state_.connected < devices_.size() &&
           now_us() - begin_us < kConnectPatienceUs) {
      step();
    }
    is_whole_ = state_.connected == devices_.size();
    is_begun_ = true;
    if (!is_whole_) ledger_.down(now_us());
    if (!is_whole_) fmt::print(stderr, "only {} devices connected\n", state_.connected);
  }

  void run_stage(int percent, std::int64_t end_us) {
    const std::int64_t begin_us = now_us();
    const double rate = options_.rate * percent / 100;
    ledger_.stage(begin_us, percent);
    std::uint64_t sampled = 0;
    while (signals_seen == 0 && now_us() < end_us) {
      const double elapsed_s = static_cast<double>(now_us() - begin_us) / kSecondUs;
      const auto due = static_cast<std::uint64_t>(elapsed_s * rate);
      if (due > sampled + kMaxBurst) sampled = due - kMaxBurst;
      for (; sampled < due; ++sampled) sample();
      make_faults();
      step();
    }
  }

  void make_faults() {
    const std::int64_t time_us = now_us();
    faults_->step(time_us);
    for (std::uint32_t i = cuts_.due(time_us - begin_us_); i > 0; --i) {
      Device& device = *devices_[random_() % devices_.size()];
      if (!device.is_up()) continue;
      device.cut(time_us);
      faults_->count_disconnect();
    }
  }

  void sample() {
    std::size_t kind = 0;
    for (int part = static_cast<int>(random_() % 100); part >= kKindShare[kind]; ++kind) {
      part -= kKindShare[kind];
    }
    auto& tracks = by_kind_[kind];
    if (tracks.empty()) return;
    const Track& track = plan_.tracks[tracks[turn_[kind]++ % tracks.size()]];
    const double phase = static_cast<double>(state_.made[track.id]) / 50;
    const double noise = static_cast<double>(random_() % 100) / 100;
    devices_[track.publisher]->sample(track, 20 + 5 * std::sin(phase) + noise, now_us());
  }

  // Sends what has gathered, then waits for events until the next batch of samples is due.
  void step() {
    const std::int64_t begin_us = now_us();
    for (auto& device : devices_) device->flush(begin_us);
    std::array<epoll_event, 256> events = {};
    const int timeout_ms = static_cast<int>(kStepUs / 1000);
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), timeout_ms);
    const std::int64_t time_us = now_us();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      devices_[event.data.u32]->on_event(event.events, time_us);
    }
    if (time_us - ticked_us_ >= kTickUs) tick(time_us);
  }

  void tick(std::int64_t time_us) {
    ticked_us_ = time_us;
    for (auto& device : devices_) device->on_tick(time_us);
    // With faults some devices are always away: no outage of the gateway.
    const bool is_whole = options_.faults.disconnects > 0 ? state_.connected > 0
                                                          : state_.connected == devices_.size();
    if (is_begun_ && is_whole_ && !is_whole) ledger_.down(time_us);
    if (is_begun_ && !is_whole_ && is_whole) ledger_.up(time_us);
    is_whole_ = is_whole;
    if (options_.stats_interval_ms == 0 ||
        time_us - told_us_ < options_.stats_interval_ms * 1000LL) {
      return;
    }
    told_us_ = time_us;
    ledger_.flush();
    fmt::print("connected={} published={} acknowledged={} unacknowledged={} not_sampled={}\n",
               state_.connected, state_.published, state_.acknowledged, state_.unacknowledged,
               state_.not_sampled);
    std::fflush(stdout);
  }

  void drain() {
    const std::int64_t end_us = now_us() + static_cast<std::int64_t>(options_.drain_s * kSecondUs);
    while (signals_seen < 2 && now_us() < end_us && !is_settled()) step();
  }

  [[nodiscard]] bool is_settled() const {
    return state_.unacknowledged == 0 &&
           std::all_of(devices_.begin(), devices_.end(),
                       [](const auto& device) { return device->local_check().is_caught_up(); });
  }

  int finish() {
    bool is_local_clean = true;
    for (auto& device : devices_) {
      device->local_check().finish(state_.local);
      device->leave();
    }
    for (std::size_t i = 0; i < state_.local.size(); ++i) {
      ledger_.local(static_cast<Pattern>(i), state_.local[i]);
      is_local_clean = is_local_clean && state_.local[i].is_clean();
    }
    ledger_.connections(state_.connections);
    const FaultCounts& faults = faults_->finish();
    ledger_.faults(faults);
    ledger_.ended(state_.not_sampled);
    fmt::print(
        "ended: connects={} published={} acknowledged={} unacknowledged={} local={} tolerated={}\n",
        state_.connections.connects, state_.published, state_.acknowledged, state_.unacknowledged,
        is_local_clean ? "clean" : "not clean", faults.tolerated);
    const bool is_good = is_local_clean && state_.unacknowledged == 0 && faults.tolerated == 0;
    return is_good && !ledger_.failed() ? 0 : 1;
  }

  const FleetOptions& options_;
  const Plan plan_;
  DevicesLedger ledger_;
  UniqueFd epoll_;
  std::mt19937_64 random_;
  FleetState state_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::optional<TlsContext> tls_;
  std::optional<Faults> faults_;
  Pace cuts_;
  std::int64_t begin_us_ = 0;  // of the load
  std::array<std::vector<std::uint32_t>, kKinds> by_kind_;
  std::array<std::size_t, kKinds> turn_ = {};
  bool is_begun_ = false;  // the load
  bool is_whole_ = false;  // all devices are connected
  std::int64_t ticked_us_ = 0;
  std::int64_t told_us_ = 0;
};

}  // namespace

int run_fleet(const FleetOptions& options) {
  auto file = LedgerFile::open(options.ledger, false);
  if (!file) {
    fmt::print(stderr, "tidegate-sim: {}\n", file.error().message);
    return 2;
  }
  struct sigaction action = {};
  action.sa_handler = on_signal;
  for (const int number : {SIGTERM, SIGINT}) sigaction(number, &action, nullptr);
  Fleet fleet(options, DevicesLedger(std::move(*file)));
  if (const auto ready = fleet.prepare(); !ready) {
    fmt::print(stderr, "tidegate-sim: {}\n", ready.error().message);
    return 2;
  }
  return fleet.run();
}

}  // namespace tg::sim
