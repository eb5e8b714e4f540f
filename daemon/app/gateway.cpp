#include "daemon/app/gateway_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/app/api/api.h"
#include "daemon/app/broker_config.h"
#include "daemon/app/log_levels.h"
#include "daemon/app/options.h"
#include "daemon/app/status.h"
#include "daemon/app/version.h"
#include "daemon/app/wipe.h"
#include "daemon/base/log.h"
#include "daemon/cloud/any_link.h"
#include "daemon/store/broker_state.h"
#include "daemon/uplink/store_source.h"

namespace tg::app {
namespace {

const log::Component kLog{"gateway"};

constexpr std::int64_t kCheckMs = 1000;  // of the store's progress and the status line
constexpr std::int64_t kDrainMs = 2000;  // for the cloud's acknowledgements at the end
constexpr std::int64_t kAnswerMs = 100;  // for the answer to a factory reset to leave
constexpr std::int64_t kStopLimitMs = 20'000;

std::uint64_t random_seed() {
  std::random_device source;
  return static_cast<std::uint64_t>(source()) << 32 | source();
}

}  // namespace

Gateway::State::State(ConfigOrigin origin)
    : reloader_(std::move(origin), clock_, loop_.post()),
      service_(loop_),
      signals_(loop_.context(), SIGTERM, SIGINT, SIGHUP) {}

Result<void> Gateway::State::start() {
  const SlowStart slow_start;
  set_log_levels(config());
  started_ms_ = clock_.mono_ms();
  log::info(kLog, "tidegated {} starts as gateway {}", kVersion, config().gateway_id);
  if (auto done = open_store(); !done) return done;
  if (auto done = start_plugins(); !done) return done;
  if (auto done = make_uplinks(config()); !done) return done;
  if (auto done = start_admin(); !done) return done;
  // Last: from the first accepted connection on everything behind it is there.
  if (auto done = start_broker(); !done) return done;

  health_.emplace([this] { return parts(); }, loop_, metrics_);
  health_->configure(config().health);
  defender_.emplace([this] { return parts(); }, loop_, metrics_);
  defender_->configure(config().defender);
  canary_.emplace(
      *tracer_,
      [this](const std::string& topic, const std::string& payload) {
        wiring_->inject(config().gateway_id + "-canary", topic, payload);
      },
      clock_, loop_, metrics_);
  canary_->configure(config().canary);
  wait_for_signal();
  add_reload_parts();
  phase_ = Phase::kRunning;
  service_.ready();
  check();
  if (!reloader_.runs_last_good()) reloader_.save_last_good();
  log::info(kLog, "ready after {} ms", clock_.mono_ms() - started_ms_);
  return {};
}

void Gateway::State::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      log::info(kLog, "SIGHUP: reading the configuration again");
      reload([](const Reloader::Outcome&) {});
    } else {
      log::info(kLog, "signal {}: stopping", signal);
      stop();
    }
    wait_for_signal();
  });
}

Result<void> Gateway::State::open_store() {
  auto opened = store::Store::open(store_options(config()), clock_, loop_, loop_.post(), metrics_);
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
  events.on_rewound = [this](store::ReaderId reader) {
    for (const auto& uplink : uplinks_) uplink->on_rewound(reader);
  };
  events.on_replaced = [this] {
    if (broker_) broker_->keep_anew();
  };
  store_->set_events(std::move(events));
  router_.emplace(routes(config(), *store_), bridged_filters(config()));
  dead_letters_.emplace(*store_, metrics_, [this](std::string_view topic, store::StreamId stream) {
    return router_->on_error(topic, stream);
  });
  tracer_.emplace(clock_, loop_, [this](const store::ReaderStatus& reader, store::Seq seq) {
    return progress_of(reader, seq);
  });
  return {};
}

Result<void> Gateway::State::start_broker() {
  wiring_.emplace(*router_, *store_, *tracer_, clock_, metrics_);
  wiring_->set_bridges(bridges());
  if (config().persistence) {
    sessions_.emplace(*store_, clock_);
  } else {
    store_->broker_changes().begin_anew();  // what is there would be out of date by the next time
  }
  auto options = broker_options(config());
  options.version = kVersion;
  broker_.emplace(std::move(options), *wiring_, clock_, metrics_,
                  sessions_ ? &*sessions_ : nullptr);
  if (auto done = broker_->restore(); !done) return done;
  raise_descriptor_limit(config().limits.max_connections);
  if (auto done = open_listeners(*broker_, config()); !done) return done;
  pump_.emplace(loop_.context(), *broker_);
  pump_->start();
  return {};
}

Result<void> Gateway::State::start_plugins() {
  auto host = plugin_host::PluginHost::load(
      processor_options(config()), config().plugin_paths, *store_, clock_, loop_, loop_.post(),
      metrics_, [this](const pipeline::Cause& cause, const store::Record& record) {
        return dead_letters_->add(cause, record);
      });
  if (!host) return tl::unexpected(host.error());
  plugins_ = std::move(*host);
  plugins_->start();
  return {};
}

// Also for a reload; a link and its thread stay for the next uplink of that name. One that did not
// close in time (a resolver that hangs) is left to itself until it has.
Result<void> Gateway::State::make_uplinks(const config::Config& config) {
  left_links_.remove_if([](const auto& link) { return !link->is_open(); });
  for (const auto& cloud : config.uplinks) {
    auto options = uplink_options(config, cloud);
    if (!options) return tl::unexpected(options.error());
    std::vector<std::unique_ptr<uplink::Source>> sources;
    for (const auto& item : options->exports) {
      sources.push_back(std::make_unique<uplink::StoreSource>(
          *store_, store_->find_stream(item.stream), *store_->find_reader(item.stream, item.name),
          item.name));
    }
    auto& link = links_[cloud.name];
    if (link != nullptr && link->is_open()) left_links_.push_back(std::exchange(link, nullptr));
    if (link == nullptr) link = std::make_unique<cloud::AnyLink>(loop_.post());
    uplinks_.push_back(std::make_unique<uplink::Uplink>(
        std::move(*options), *link, std::move(sources), clock_, loop_, metrics_, random_seed(),
        [this](const pipeline::Cause& cause, const store::Record& record) {
          return dead_letters_->add(cause, record);
        }));
    if (auto* bridge = uplinks_.back()->bridge()) {
      bridge->set_deliver([this](const uplink::LocalMessage& message) {
        if (!broker_) return;
        broker_->publish(message.topic, message.payload, message.qos, false, message.properties,
                         message.expires_in_ms);
      });
    }
    uplinks_.back()->start();
  }
  if (wiring_) wiring_->set_bridges(bridges());
  return {};
}

Result<void> Gateway::State::start_admin() {
  add_api(
      routes_, [this] { return parts(); }, [this](Reloader::Done done) { reload(std::move(done)); },
      [this] { return reset(); });
  admin_.emplace(loop_.context(), routes_);
  if (auto done = admin_->listen_unix(config().admin_socket); !done) return done;
  if (!config().admin_tokens.empty()) {
    auto tokens = AdminTokens::load(config().admin_tokens);
    if (!tokens) return tl::unexpected(tokens.error());
    admin_->set_tokens(std::move(*tokens));
  }
  if (config().admin_http.empty()) return {};
  if (config().admin_tls) {
    auto tls = load_admin_tls(*config().admin_tls);
    if (!tls) return tl::unexpected(tls.error());
    admin_->set_tls(std::move(*tls));
  }
  const auto port = admin_->listen_tcp(config().admin_http);
  if (!port) return tl::unexpected(port.error());
  return {};
}

void Gateway::State::on_advanced(store::StreamId stream) {
  if (plugins_) plugins_->on_advanced(stream);
  for (const auto& uplink : uplinks_) uplink->on_advanced(stream);
}

// Once a second: what no event would tell.
void Gateway::State::check() {
  store_->check_progress();
  if (sessions_) sessions_->check_clock(*broker_);
  note_rates();
  service_.status(status_line(parts()));
  loop_.after(kCheckMs, [this] { check(); });
}

void Gateway::State::note_rates() {
  const std::int64_t now = clock_.mono_ms();
  const auto broker = broker_->stats();
  rates_.add("received", now, static_cast<double>(broker.received));
  rates_.add("delivered", now, static_cast<double>(broker.delivered));
  for (std::size_t i = 0; i < store_->stream_count(); ++i) {
    const auto stream = store_->status(static_cast<store::StreamId>(i));
    rates_.add("records/" + stream.name, now, static_cast<double>(stream.next));
    rates_.add("bytes/" + stream.name, now, static_cast<double>(stream.bytes));
  }
}

Parts Gateway::State::parts() {
  Parts parts;
  parts.config = &config();
  parts.reloader = &reloader_;
  parts.phase = phase_;
  parts.uptime_ms = clock_.mono_ms() - started_ms_;
  parts.clock = &clock_;
  parts.timers = &loop_;
  parts.metrics = &metrics_;
  parts.store = store_.get();
  parts.broker = broker_ ? &*broker_ : nullptr;
  for (const auto& uplink : uplinks_) parts.uplinks.push_back(uplink.get());
  parts.dead_letters = dead_letters_ ? &*dead_letters_ : nullptr;
  parts.plugins = plugins_.get();
  parts.tracer = &*tracer_;
  parts.rates = &rates_;
  return parts;
}

// For a trace: where a reader is with one record.
Tracer::Progress Gateway::State::progress_of(const store::ReaderStatus& reader,
                                             store::Seq seq) const {
  const bool is_done = reader.position > seq;
  std::string text;
  for (const auto& uplink : uplinks_) {
    if (text.empty()) text = uplink->progress(reader.name, seq);
  }
  if (reader.detached) return {true, "detached: it holds the record and does not read"};
  if (reader.paused && text.empty() && !is_done) return {false, "held: it is paused"};
  if (text.empty()) {
    text = is_done ? "handled" : fmt::format("{} record(s) are before it", seq - reader.position);
  }
  return {is_done, std::move(text)};
}

void Gateway::State::run() { loop_.run(); }

// The data directory is wiped by the start that follows.
Result<void> Gateway::State::reset() {
  if (phase_ != Phase::kRunning) return fail(ErrorCode::kBusy, "it is starting or stopping");
  const auto& keys = reloader_.restart_keys();
  if (std::find(keys.begin(), keys.end(), "gateway.data_dir") != keys.end()) {
    return fail(ErrorCode::kBusy,
                fmt::format("gateway.data_dir has changed and {} is still in use: restart first",
                            config().data_dir));
  }
  if (auto marked = mark_for_wipe(config().data_dir); !marked) return marked;
  log::warning(kLog, "factory reset: stopping, to wipe {}", config().data_dir);
  starts_again_ = true;
  service_.reloading();
  loop_.after(kAnswerMs, [this] { stop(); });
  return {};
}

// The end, step by step: nothing new is taken; what was taken is committed and acknowledged; then
// the plugins, then the uplink, then everything else.
void Gateway::State::stop() {
  if (phase_ == Phase::kStopping) return;
  phase_ = Phase::kStopping;
  if (!starts_again_) service_.stopping();
  loop_.after(kStopLimitMs, [this] {
    log::error(kLog,
               "stopping took over {} s; what is not acknowledged will be sent again by its "
               "senders",
               kStopLimitMs / 1000);
    finish();
  });
  reloader_.after_current([this] { stop_broker(); });
}

// A reload that is under way has ended.
void Gateway::State::stop_broker() {
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
  end_uplinks(kDrainMs, [this] { finish(); });
}

// done runs once, when each of them has stopped.
void Gateway::State::end_uplinks(std::int64_t drain_ms, Task done) {
  if (uplinks_.empty()) return done();
  const auto left = std::make_shared<std::size_t>(uplinks_.size());
  for (const auto& uplink : uplinks_) {
    uplink->stop(drain_ms, [left, done] {
      if (--*left == 0) done();
    });
  }
}

std::vector<uplink::Bridge*> Gateway::State::bridges() const {
  std::vector<uplink::Bridge*> all;
  for (const auto& uplink : uplinks_) {
    if (auto* bridge = uplink->bridge()) all.push_back(bridge);
  }
  return all;
}

void Gateway::State::finish() {
  log::info(kLog, "stopped");
  loop_.stop();
}

Gateway::Gateway(ConfigOrigin origin) : state_(std::make_unique<State>(std::move(origin))) {}
Gateway::~Gateway() = default;
bool Gateway::starts_again() const { return state_->starts_again(); }
Result<void> Gateway::start() { return state_->start(); }
void Gateway::run() { state_->run(); }

}  // namespace tg::app
