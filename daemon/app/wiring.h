// How the floors meet: the broker's hooks, answered with the router and the store.
//
// Thread: the loop's. A publish on a stored route is appended to all its streams or to none, and
// its token waits for the commit (promise 1); a publish on no route is acknowledged at once.
// What a bridge takes goes to it as well, once it is taken in.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/app/tracer.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/pipeline/router.h"
#include "daemon/store/store.h"
#include "daemon/uplink/bridge.h"
#include "local-broker/broker/hooks.h"

namespace tg::app {

class Wiring final : public broker::Hooks {
 public:
  Wiring(pipeline::Router& router, store::Store& store, Tracer& tracer, const Clock& clock,
         Metrics& metrics);
  // What leaves over the cloud's bridges; they come and go with a reload.
  void set_bridges(std::vector<uplink::Bridge*> bridges) { bridges_ = std::move(bridges); }

  broker::Intake on_publish(const broker::Publication& publication,
                            broker::AckToken token) override;
  // A message of the gateway's own (the canary), taken in as if a device had published it at QoS 0.
  void inject(const std::string& client_id, const std::string& topic, const std::string& payload);
  bool authorise(const broker::ClientInfo& client, broker::Access access,
                 std::string_view topic) override;

 private:
  broker::Intake take_in(const broker::Publication& publication, broker::AckToken token);
  broker::Intake refuse(const broker::Publication& publication);
  [[nodiscard]] std::shared_ptr<Tracer::Trace> trace_of(const broker::Publication& publication);
  std::span<const store::StreamId> with_error_streams(std::string_view topic,
                                                      std::span<const store::StreamId> streams,
                                                      std::size_t size);

  std::span<const store::StreamId> with_room(std::span<const store::StreamId> streams,
                                             std::size_t size);

  pipeline::Router& router_;
  store::Store& store_;
  Tracer& tracer_;
  std::vector<uplink::Bridge*> bridges_;
  const Clock& clock_;
  Counter stored_;
  Counter unrouted_;
  Counter held_;
  Counter refused_;
  Counter dropped_;
  log::Limit refuse_limit_;
  std::vector<store::StreamId> instead_;
  std::vector<store::StreamId> with_room_;
  std::string tail_;  // of the record in hand
};

}  // namespace tg::app
