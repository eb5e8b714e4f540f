// What each part of the gateway does with a new configuration; reloader.h has the rules.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/app/broker_config.h"
#include "daemon/app/gateway_state.h"
#include "daemon/app/log_levels.h"
#include "daemon/app/options.h"
#include "daemon/app/status.h"
#include "daemon/base/log.h"

namespace tg::app {
namespace {

using TakeOver = Reloader::TakeOver;

const log::Component kLog{"gateway"};

constexpr std::int64_t kUplinkDrainMs = 1000;

// A take-over that ends where it begins.
TakeOver at_once(Task task) {
  return [task = std::move(task)](const Task& done) {
    task();
    done();
  };
}

bool has_address(const std::vector<config::Listener>& listeners, const std::string& address) {
  return std::any_of(listeners.begin(), listeners.end(),
                     [&address](const auto& each) { return each.address == address; });
}

// Listeners that were opened for a reload: closed again unless it is taken over.
class NewListeners {
 public:
  explicit NewListeners(broker::Broker& broker) : broker_(broker) {}
  ~NewListeners() {
    for (const auto& address : opened_) broker_.stop_listening(address);
  }
  NewListeners(const NewListeners&) = delete;
  NewListeners& operator=(const NewListeners&) = delete;

  Result<void> open(const config::Listener& listener) {
    const auto port = broker_.listen(listener_options(listener));
    if (!port) return tl::unexpected(port.error());
    opened_.push_back(listener.address);
    return {};
  }
  void keep() { opened_.clear(); }

 private:
  broker::Broker& broker_;
  std::vector<std::string> opened_;
};

}  // namespace

// In the order in which they take over: a route or an export finds its stream, its reader.
void Gateway::State::add_reload_parts() {
  reloader_.add("log", [](const config::Config& next) -> Result<TakeOver> {
    return at_once([next] { set_log_levels(next); });
  });
  reloader_.add("admin.tokens", [this](const auto& next) { return prepare_tokens(next); });
  reloader_.add("admin.tls", [this](const auto& next) { return prepare_admin_tls(next); });
  reloader_.add("streams", [this](const auto& next) { return prepare_store(next); });
  reloader_.add("routes", [this](const auto& next) { return prepare_routes(next); });
  reloader_.add("processors", [this](const auto& next) { return prepare_plugins(next); });
  reloader_.add("exports", [this](const auto& next) { return prepare_uplink(next); });
  reloader_.add("health", [this](const config::Config& next) -> Result<TakeOver> {
    return at_once([this, health = next.health] { health_->configure(health); });
  });
  reloader_.add("defender", [this](const config::Config& next) -> Result<TakeOver> {
    return at_once([this, defender = next.defender] { defender_->configure(defender); });
  });
  reloader_.add("canary", [this](const config::Config& next) -> Result<TakeOver> {
    return at_once([this, canary = next.canary] { canary_->configure(canary); });
  });
  reloader_.add("broker.listeners", [this](const auto& next) { return prepare_listeners(next); });
}

void Gateway::State::reload(Reloader::Done done) {
  service_.reloading();
  reloader_.reload([this, done = std::move(done)](Reloader::Outcome outcome) {
    service_.ready();
    service_.status(status_line(parts()));
    done(std::move(outcome));
  });
}

Result<TakeOver> Gateway::State::prepare_tokens(const config::Config& next) {
  AdminTokens tokens;
  if (!next.admin_tokens.empty()) {
    auto loaded = AdminTokens::load(next.admin_tokens);
    if (!loaded) return tl::unexpected(loaded.error());
    tokens = std::move(*loaded);
  }
  return at_once([this, tokens = std::move(tokens)] { admin_->set_tokens(tokens); });
}

// The files may have been renewed; whether there is TLS does not change until a restart.
Result<TakeOver> Gateway::State::prepare_admin_tls(const config::Config& next) {
  if (!next.admin_tls) return at_once([] {});
  auto loaded = load_admin_tls(*next.admin_tls);
  if (!loaded) return tl::unexpected(loaded.error());
  return at_once([this, tls = std::move(*loaded)] { admin_->set_tls(tls); });
}

Result<TakeOver> Gateway::State::prepare_store(const config::Config& next) {
  auto options = store_options(next);
  for (std::size_t i = 0; i < store_->stream_count(); ++i) {
    const auto stream = store_->status(static_cast<store::StreamId>(i));
    const bool stays = std::any_of(options.streams.begin(), options.streams.end(),
                                   [&stream](const auto& s) { return s.name == stream.name; });
    if (!stays && stream.next > stream.first) {
      return fail(
          ErrorCode::kInvalid,
          fmt::format("stream {} still holds {} records; a stream can be taken away when it "
                      "is empty",
                      stream.name, stream.next - stream.first));
    }
  }
  const auto now = store_options(config());
  if (options.streams == now.streams && options.readers == now.readers &&
      options.pending_bytes == now.pending_bytes && options.flash_saver == now.flash_saver) {
    return at_once([] {});
  }
  if (store_->health() != store::Health::kOk) {
    return fail(ErrorCode::kBusy, "the store does not take commits: " + store_->health_reason());
  }
  return [this, options = std::move(options)](Task done) {
    store_->reconfigure(options, std::move(done));
  };
}

Result<TakeOver> Gateway::State::prepare_routes(const config::Config& next) {
  // The router stands where it stood: the wiring refers to it.
  return at_once([this, next] { router_.emplace(routes(next, *store_), bridged_filters(next)); });
}

Result<TakeOver> Gateway::State::prepare_plugins(const config::Config& next) {
  return plugins_->prepare_change(processor_options(next), next.plugin_paths);
}

// A change of an uplink or of an export ends the connections to the clouds and makes new ones: what
// is not acknowledged is sent again, devices do not notice.
Result<TakeOver> Gateway::State::prepare_uplink(const config::Config& next) {
  const auto& now = config();
  if (next.uplinks == now.uplinks && next.exports == now.exports && next.bridge == now.bridge &&
      next.streams == now.streams) {
    return at_once([] {});
  }
  for (const auto& cloud : next.uplinks) {
    if (auto options = uplink_options(next, cloud); !options) {
      return tl::unexpected(options.error());
    }
  }
  return [this, next](const Task& done) {
    // Behind the sessions' own handlers, which are still in them.
    end_uplinks(kUplinkDrainMs, [this, next, done] {
      loop_.after(0, [this, next, done] {
        wiring_->set_bridges({});
        uplinks_.clear();
        if (const auto made = make_uplinks(next); !made) {
          log::error(kLog, "no uplink: {}", made.error().message);  // it has been checked before
        }
        done();
      });
    });
  };
}

// By address. Connections of a listener that goes stay, and those of one that changes keep what
// they came with.
Result<TakeOver> Gateway::State::prepare_listeners(const config::Config& next) {
  auto fresh = std::make_shared<NewListeners>(*broker_);
  for (const auto& listener : next.listeners) {
    if (has_address(config().listeners, listener.address)) continue;
    if (auto opened = fresh->open(listener); !opened) return tl::unexpected(opened.error());
  }
  std::vector<std::string> gone;
  for (const auto& listener : config().listeners) {
    if (!has_address(next.listeners, listener.address)) gone.push_back(listener.address);
  }
  return at_once([this, fresh, gone, next] {
    fresh->keep();
    reload_listeners(*broker_, next);
    for (const auto& address : gone) {
      broker_->stop_listening(address);
      log::info(kLog, "no longer listening on {}", address);
    }
  });
}

}  // namespace tg::app
