// How the floors meet: the broker's hooks, answered with the router and the store.
//
// Thread: the loop's. A publish on a stored route is appended to all its streams or to none, and
// its token waits for the commit (promise 1); a publish on no route is acknowledged at once.
#pragma once

#include <memory>
#include <string>

#include "daemon/app/tracer.h"
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/pipeline/router.h"
#include "daemon/store/store.h"
#include "local-broker/broker/hooks.h"

namespace tg::app {

class Wiring final : public broker::Hooks {
 public:
  Wiring(pipeline::Router& router, store::Store& store, Tracer& tracer, const Clock& clock,
         Metrics& metrics);

  broker::Intake on_publish(const broker::Publication& publication,
                            broker::AckToken token) override;
  // A message of the gateway's own (the canary), taken in as if a device had published it at QoS 0.
  void inject(const std::string& client_id, const std::string& topic, const std::string& payload);
  bool authorise(const broker::ClientInfo& client, broker::Access access,
                 std::string_view topic) override;

 private:
  broker::Intake refuse(const broker::Publication& publication);
  [[nodiscard]] std::shared_ptr<Tracer::Trace> trace_of(const broker::Publication& publication);

  pipeline::Router& router_;
  store::Store& store_;
  Tracer& tracer_;
  const Clock& clock_;
  Counter stored_;
  Counter unrouted_;
  Counter held_;
  Counter refused_;
  Counter dropped_;
  log::Limit refuse_limit_;
};

}  // namespace tg::app
