// What the gateway consists of; shared by gateway.cpp (start and stop) and gateway_reload.cpp.
// Thread: the loop's.
#pragma once

#include <boost/asio/signal_set.hpp>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/app/admin_server.h"
#include "daemon/app/broker_pump.h"
#include "daemon/app/canary.h"
#include "daemon/app/defender.h"
#include "daemon/app/gateway.h"
#include "daemon/app/health.h"
#include "daemon/app/loop.h"
#include "daemon/app/parts.h"
#include "daemon/app/reloader.h"
#include "daemon/app/service.h"
#include "daemon/app/session_store.h"
#include "daemon/app/wiring.h"
#include "daemon/cloud/link.h"
#include "daemon/pipeline/dead_letters.h"

namespace tg::app {

// Members stand in the order in which they are made; they end in the reverse order.
class Gateway::State {
 public:
  explicit State(ConfigOrigin origin);

  Result<void> start();
  void run();
  [[nodiscard]] bool starts_again() const { return starts_again_; }

 private:
  // gateway.cpp
  Result<void> open_store();
  Result<void> start_broker();
  Result<void> start_plugins();
  Result<void> start_admin();
  Result<void> make_uplinks(const config::Config& config);
  void end_uplinks(std::int64_t drain_ms, Task done);
  [[nodiscard]] std::vector<uplink::Bridge*> bridges() const;
  void wait_for_signal();
  void on_advanced(store::StreamId stream);
  void check();
  void note_rates();
  [[nodiscard]] Parts parts();
  [[nodiscard]] Tracer::Progress progress_of(const store::ReaderStatus& reader,
                                             store::Seq seq) const;
  [[nodiscard]] const config::Config& config() const { return reloader_.config(); }

  Result<void> reset();
  void stop();
  void stop_broker();
  void stop_plugins();
  void stop_uplinks();
  void finish();

  // gateway_reload.cpp: what each part does with a new configuration.
  void add_reload_parts();
  void reload(Reloader::Done done);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_tokens(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_admin_tls(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_listeners(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_store(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_routes(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_plugins(const config::Config& next);
  [[nodiscard]] Result<Reloader::TakeOver> prepare_uplink(const config::Config& next);

  SystemClock clock_;
  Metrics metrics_;
  Loop loop_;
  Reloader reloader_;
  Service service_;
  boost::asio::signal_set signals_;
  std::int64_t started_ms_ = 0;
  Phase phase_ = Phase::kStarting;
  bool starts_again_ = false;

  Rates rates_;

  std::unique_ptr<store::Store> store_;
  std::optional<pipeline::Router> router_;
  std::optional<pipeline::DeadLetters> dead_letters_;
  std::unique_ptr<plugin_host::PluginHost> plugins_;
  std::optional<Tracer> tracer_;
  std::optional<Wiring> wiring_;
  std::optional<SessionStore> sessions_;
  std::optional<broker::Broker> broker_;
  std::optional<BrokerPump> pump_;
  std::map<std::string, std::unique_ptr<cloud::Link>> links_;  // by uplink
  std::list<std::unique_ptr<cloud::Link>> left_links_;         // still closing
  std::vector<std::unique_ptr<uplink::Uplink>> uplinks_;
  std::optional<HealthReporter> health_;
  std::optional<DefenderReporter> defender_;
  std::optional<Canary> canary_;
  AdminRoutes routes_;
  std::optional<AdminServer> admin_;
};

}  // namespace tg::app
