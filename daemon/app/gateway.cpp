#include "daemon/app/gateway.h"

#include <fmt/format.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/admin_server.h"
#include "daemon/app/api/api.h"
#include "daemon/app/broker_pump.h"
#include "daemon/app/loop.h"
#include "daemon/app/options.h"
#include "daemon/app/service.h"
#include "daemon/app/session_store.h"
#include "daemon/app/status.h"
#include "daemon/app/version.h"
#include "daemon/app/wiring.h"
#include "daemon/base/log.h"
#include "daemon/cloud/any_link.h"
#include "daemon/store/broker_state.h"
#include "daemon/uplink/store_source.h"

namespace tg::app {
namespace {

const log::Component kLog{"gateway"};

constexpr std::int64_t kCheckMs = 1000;  // of the store's progress and the status line
constexpr std::int64_t kDrainMs = 2000;  // for the cloud's acknowledgements at the end
constexpr std::int64_t kStopLimitMs = 20'000;

std::uint64_t random_seed() {
  std::random_device source;
  return static_cast<std::uint64_t>(source()) << 32 | source();
}

// An uplink and the link it goes over.
struct Line {
  std::unique_ptr<cloud::Link> link;
  std::unique_ptr<uplink::Uplink> uplink;
};

}  // namespace

// Members stand in the order in which they are made; they end in the reverse order.
class Gateway::State {
 public:
  explicit State(config::Config config)
      : config_(std::move(config)), service_(loop_), signals_(loop_.context(), SIGTERM, SIGINT) {}

  Result<void> start();
  void run();

 private:
  void set_log_levels() const;
  Result<void> open_store();
  Result<void> start_broker();
  Result<void> start_plugins();
  Result<void> start_uplinks();
  Result<void> start_admin();
  void on_advanced(store::StreamId stream);
  void check();
  [[nodiscard]] Parts parts();

  void stop();
  void stop_plugins();
  void stop_uplinks();
  void finish();

  const config::Config config_;
  SystemClock clock_;
  Metrics metrics_;
  Loop loop_;
  Service service_;
  boost::asio::signal_set signals_;
  std::int64_t started_ms_ = 0;
  Phase phase_ = Phase::kStarting;

  std::unique_ptr<store::Store> store_;
  std::optional<pipeline::Router> router_;
  std::optional<pipeline::DeadLetters> dead_letters_;
  std::unique_ptr<plugin_host::PluginHost> plugins_;
  std::optional<Wiring> wiring_;
  std::optional<SessionStore> sessions_;
  std::optional<broker::Broker> broker_;
  std::optional<BrokerPump> pump_;
  std::vector<Line> lines_;
  std::vector<uplink::Bridge*> bridges_;
  AdminRoutes routes_;
  std::optional<AdminServer> admin_;
};

Result<void> Gateway::State::start() {
  set_log_levels();
  started_ms_ = clock_.mono_ms();
  log::info(kLog, "tidegated {} starts as gateway {}", kVersion, config_.gateway_id);
  if (auto done = open_store(); !done) return done;
  if (auto done = start_plugins(); !done) return done;
  if (auto done = start_uplinks(); !done) return done;
  if (auto done = start_admin(); !done) return done;
  // Last: from the first accepted connection on everything behind it is there.
  if (auto done = start_broker(); !done) return done;

  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    log::info(kLog, "signal {}: stopping", signal);
    stop();
  });
  phase_ = Phase::kRunning;
  service_.ready();
  check();
  log::info(kLog, "ready after {} ms", clock_.mono_ms() - started_ms_);
  return {};
}

void Gateway::State::set_log_levels() const {
  log::set_default_level(*log::parse_level(config_.log_level));
  for (const auto& [component, level] : config_.component_levels) {
    if (!log::set_component_level(component, *log::parse_level(level))) {
      log::warning(kLog, "log.components.{}: there is no such component", component);
    }
  }
}

Result<void> Gateway::State::open_store() {
  auto opened = store::Store::open(store_options(config_), clock_, loop_, loop_.post(), metrics_);
  if (!opened) return tl::unexpected(opened.error());
  store_ = std::move(*opened);
  store::Store::Events events;
  events.on_committed = [this](std::span<const store::Token> tokens) {
    if (broker_) broker_->complete(tokens);
  };
  events.on_room = [this] {
    if (broker_) broker_->resume_held();
  };
  events.on_advanced = [this](store::StreamId stream) { on_advanced(stream); };
  store_->set_events(std::move(events));
  router_.emplace(routes(config_, *store_), bridged_filters(config_));
  dead_letters_.emplace(*store_, metrics_, [this](std::string_view topic, store::StreamId stream) {
    return router_->on_error(topic, stream);
  });
  return {};
}

Result<void> Gateway::State::start_broker() {
  wiring_.emplace(*router_, *store_, bridges_, clock_, metrics_);
  if (config_.persistence) {
    sessions_.emplace(*store_, clock_);
  } else {
    store_->broker_changes().clear_all();  // what is there would be out of date by the next time
  }
  broker_.emplace(broker_options(config_), *wiring_, clock_, metrics_,
                  sessions_ ? &*sessions_ : nullptr);
  if (auto done = broker_->restore(); !done) return done;
  for (const auto& listener : config_.listeners) {
    const auto port = broker_->listen({listener.name, listener.address, listener.anonymous});
    if (!port) return tl::unexpected(port.error());
    log::info(kLog, "listener {} on {}", listener.name, listener.address);
  }
  pump_.emplace(loop_.context(), *broker_);
  pump_->start();
  return {};
}

Result<void> Gateway::State::start_plugins() {
  auto host = plugin_host::PluginHost::load(processor_options(config_), config_.plugin_paths,
                                            *store_, clock_, loop_, loop_.post(), metrics_);
  if (!host) return tl::unexpected(host.error());
  plugins_ = std::move(*host);
  plugins_->start();
  return {};
}

Result<void> Gateway::State::start_uplinks() {
  for (const auto& cloud : config_.uplinks) {
    auto options = uplink_options(config_, cloud);
    if (!options) return tl::unexpected(options.error());
    std::vector<std::unique_ptr<uplink::Source>> sources;
    for (const auto& item : options->exports) {
      sources.push_back(std::make_unique<uplink::StoreSource>(
          *store_, store_->find_stream(item.stream), *store_->find_reader(item.stream, item.name),
          item.name));
    }
    Line line;
    line.link = std::make_unique<cloud::AnyLink>(loop_.post());
    line.uplink = std::make_unique<uplink::Uplink>(
        std::move(*options), *line.link, std::move(sources), clock_, loop_, metrics_, random_seed(),
        [this](const pipeline::Cause& cause, const store::Record& record) {
          return dead_letters_->add(cause, record);
        });
    if (auto* bridge = line.uplink->bridge()) {
      bridge->set_deliver([this](const uplink::LocalMessage& message) {
        if (!broker_) return;
        broker_->publish(message.topic, message.payload, message.qos, false, message.properties,
                         message.expires_in_ms);
      });
      bridges_.push_back(bridge);
    }
    lines_.push_back(std::move(line));
    lines_.back().uplink->start();
  }
  return {};
}

Result<void> Gateway::State::start_admin() {
  add_api(routes_, [this] { return parts(); });
  admin_.emplace(loop_.context(), routes_);
  if (auto done = admin_->listen_unix(config_.admin_socket); !done) return done;
  if (!config_.admin_tokens.empty()) {
    auto tokens = AdminTokens::load(config_.admin_tokens);
    if (!tokens) return tl::unexpected(tokens.error());
    admin_->set_tokens(std::move(*tokens));
  }
  if (config_.admin_http.empty()) return {};
  const auto port = admin_->listen_tcp(config_.admin_http);
  if (!port) return tl::unexpected(port.error());
  return {};
}

void Gateway::State::on_advanced(store::StreamId stream) {
  if (plugins_) plugins_->on_advanced(stream);
  for (const auto& line : lines_) line.uplink->on_advanced(stream);
}

// Once a second: what no event would tell.
void Gateway::State::check() {
  store_->check_progress();
  if (sessions_) sessions_->check_clock(*broker_);
  update_gauges(parts(), metrics_);
  service_.status(status_line(parts()));
  loop_.after(kCheckMs, [this] { check(); });
}

Parts Gateway::State::parts() {
  Parts parts;
  parts.config = &config_;
  parts.phase = phase_;
  parts.uptime_ms = clock_.mono_ms() - started_ms_;
  parts.clock = &clock_;
  parts.timers = &loop_;
  parts.metrics = &metrics_;
  parts.store = store_.get();
  parts.broker = broker_ ? &*broker_ : nullptr;
  for (const auto& line : lines_) parts.uplinks.push_back(line.uplink.get());
  parts.dead_letters = dead_letters_ ? &*dead_letters_ : nullptr;
  parts.plugins = plugins_.get();
  return parts;
}

void Gateway::State::run() { loop_.run(); }

// The end, step by step: nothing new is taken; what was taken is committed and acknowledged; then
// the plugins, then the uplink, then everything else.
void Gateway::State::stop() {
  if (phase_ == Phase::kStopping) return;
  phase_ = Phase::kStopping;
  service_.stopping();
  loop_.after(kStopLimitMs, [this] {
    log::error(kLog,
               "stopping took over {} s; what is not acknowledged will be sent again by its "
               "senders",
               kStopLimitMs / 1000);
    finish();
  });
  broker_->stop_listening();
  // Behind everything that has been appended; tokens are answered before the task runs.
  store_->after_commit([this] {
    broker_->disconnect_all();
    stop_plugins();
  });
}

void Gateway::State::stop_plugins() {
  plugins_->stop([this] { stop_uplinks(); });
}

void Gateway::State::stop_uplinks() {
  if (lines_.empty()) return finish();
  const auto left = std::make_shared<std::size_t>(lines_.size());
  for (const auto& line : lines_) {
    line.uplink->stop(kDrainMs, [this, left] {
      if (--*left == 0) finish();
    });
  }
}

void Gateway::State::finish() {
  log::info(kLog, "stopped");
  loop_.stop();
}

Gateway::Gateway(config::Config config) : state_(std::make_unique<State>(std::move(config))) {}
Gateway::~Gateway() = default;
Result<void> Gateway::start() { return state_->start(); }
void Gateway::run() { state_->run(); }

}  // namespace tg::app
