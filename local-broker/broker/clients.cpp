// What operators ask about clients.
#include <algorithm>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

ClientStatus status_of(const Core& core, const Session& session) {
  ClientStatus status;
  status.client_id = session.client.client_id;
  status.identity = session.client.identity;
  status.listener = session.client.listener;
  status.address = session.client.address;
  status.protocol = session.client.protocol;
  status.subscriptions = session.subscriptions.size();
  status.in_flight = session.outbound.in_flight();
  status.queued = session.outbound.queued();
  status.queued_bytes = session.outbound.queued_bytes();
  if (const Connection* connection = session.connection) {
    status.is_connected = true;
    status.keep_alive_s = connection->keep_alive_s;
    status.silent_ms = core.now_ms - connection->last_received_ms;
    status.is_held = (connection->paused & kHeld) != 0;
  }
  return status;
}

}  // namespace

std::vector<ClientStatus> list_clients(const Core& core, std::string_view after,
                                       std::size_t limit) {
  std::vector<const Session*> found;
  core.sessions.for_each([&found, after](const Session& session) {
    if (session.client.client_id > after) found.push_back(&session);
  });
  const auto by_id = [](const Session* a, const Session* b) {
    return a->client.client_id < b->client.client_id;
  };
  const auto count = static_cast<std::ptrdiff_t>(std::min(limit, found.size()));
  std::partial_sort(found.begin(), found.begin() + count, found.end(), by_id);
  found.resize(static_cast<std::size_t>(count));
  std::vector<ClientStatus> statuses;
  for (const Session* session : found) statuses.push_back(status_of(core, *session));
  return statuses;
}

std::optional<ClientStatus> find_client(const Core& core, std::string_view client_id) {
  const Session* session = core.sessions.find(client_id);
  if (session == nullptr) return std::nullopt;
  return status_of(core, *session);
}

bool end_client(Core& core, std::string_view client_id) {
  const Session* session = core.sessions.find(client_id);
  if (session == nullptr || session->connection == nullptr) return false;
  disconnect(core, *session->connection, mqtt::Reason::kAdministrativeAction,
             "disconnected by the operator");
  return true;
}

}  // namespace tg::broker
