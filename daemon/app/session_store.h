// The broker's session store, kept in the store's open group: what the broker tells within one
// handler is committed with the records that the same handler appended.
//
// Absence across a restart of the machine counts once the clock is synchronised: check_clock()
// asks.
//
// Thread: the loop's.
#pragma once

#include <string>
#include <unordered_map>

#include "daemon/base/clock.h"
#include "daemon/store/broker_state.h"
#include "daemon/store/store.h"
#include "local-broker/broker/broker.h"
#include "local-broker/broker/session_store.h"

namespace tg::app {

class SessionStore final : public broker::SessionStore {
 public:
  SessionStore(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  [[nodiscard]] bool keeps() const override { return true; }
  Result<void> load(Visitor& visitor) override;
  broker::Intake admit(std::size_t bytes) override;
  void await(broker::AckToken token) override { store_.await_broker(token); }

  // Tells the broker how long those have been away whose absence could not be dated by load().
  void check_clock(broker::Broker& broker);

  void begin_anew() override;
  void put_session(const broker::StoredSession& session) override;
  void erase_session(broker::StoredId session) override;
  void put_subscription(broker::StoredId session, const mqtt::FilterRequest& request,
                        std::uint32_t subscription_id) override;
  void erase_subscription(broker::StoredId session, const mqtt::FilterRequest& request) override;
  void hold(broker::StoredId session, std::uint16_t packet_id) override;
  void release(broker::StoredId session, std::uint16_t packet_id) override;
  void put_message(broker::StoredId message, const broker::MessageFields& fields) override;
  void erase_message(broker::StoredId message) override;
  void set_retained(broker::StoredId message, bool is_retained) override;
  void put_copy(const broker::StoredCopy& copy) override;
  void move_copy(const broker::StoredCopy& copy) override;
  void erase_copy(broker::StoredId copy) override;

 private:
  struct Undated {
    std::string client_id;
    store::StoredTime left;
  };
  class Loader;

  [[nodiscard]] store::StoredTime now() const { return {clock_.now(), store_.boot()}; }

  store::Store& store_;
  const Clock& clock_;
  std::unordered_map<broker::StoredId, Undated> undated_;  // sessions that have not been back since
};

}  // namespace tg::app
