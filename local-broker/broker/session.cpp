#include "local-broker/broker/session.h"

#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/connection.h"

namespace tg::broker {

Session::Session() : expiry(TimerKind::kSession, this) {}
Session::~Session() = default;

Session* Sessions::find(std::string_view client_id) const {
  const auto found = by_id_.find(client_id);
  return found == by_id_.end() ? nullptr : slots_.find(found->second);
}

Session& Sessions::create(std::string client_id) {
  TG_ASSERT(slots_.size() < kMax);
  auto owned = std::make_unique<Session>();
  Session& session = *owned;
  session.outbound.count_in(in_flight_);
  session.acks.count_in(ack_bytes_);
  session.client.client_id = std::move(client_id);
  session.slot = slots_.insert(std::move(owned));
  TG_ASSERT(by_id_.emplace(session.client.client_id, session.slot).second);
  return session;
}

void Sessions::erase(Session& session) {
  by_id_.erase(session.client.client_id);
  slots_.erase(session.slot);
}

}  // namespace tg::broker
