// The broker's clients: GET /api/v1/clients, GET /api/v1/clients/{client}, POST
// /api/v1/clients/{client}/disconnect.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kStandardLimit = 1000;
constexpr std::uint64_t kMaxLimit = 10'000;

const char* protocol_name(std::uint8_t protocol) {
  return protocol == 5 ? "5.0" : protocol == 3 ? "3.1" : "3.1.1";
}

ordered_json client_json(const broker::ClientStatus& client) {
  ordered_json silent = nullptr;
  if (client.is_connected) silent = static_cast<double>(client.silent_ms) / 1000;
  return {{"client_id", client.client_id},
          {"identity", client.identity},
          {"connected", client.is_connected},
          {"held", client.is_held},
          {"address", client.address},
          {"listener", client.listener},
          {"protocol", protocol_name(client.protocol)},
          {"keep_alive_s", client.keep_alive_s},
          {"silent_s", std::move(silent)},
          {"subscriptions", client.subscriptions},
          {"in_flight", client.in_flight},
          {"queued", client.queued},
          {"queued_bytes", client.queued_bytes}};
}

AdminAnswer not_there(const std::string& client) {
  return error_answer(404, fmt::format("there is no client {}", client));
}

AdminAnswer list(const Parts& parts, const AdminRequest& request) {
  const auto limit = request.number("limit", kStandardLimit, kMaxLimit);
  if (!limit) return error_answer(limit.error());
  auto clients = ordered_json::array();
  ordered_json next = nullptr;
  const auto found = parts.broker->clients(request.parameter("after"), *limit);
  for (const auto& client : found) clients.push_back(client_json(client));
  if (!found.empty() && found.size() == *limit) next = found.back().client_id;
  return json_answer({{"clients", std::move(clients)}, {"next_after", std::move(next)}});
}

AdminAnswer show(const Parts& parts, const std::string& client) {
  const auto found = parts.broker->client(client);
  return found ? json_answer(client_json(*found)) : not_there(client);
}

AdminAnswer disconnect(const Parts& parts, const std::string& client) {
  if (!parts.broker->client(client)) return not_there(client);
  const bool was_connected = parts.broker->disconnect_client(client);
  return json_answer({{"client_id", client}, {"was_connected", was_connected}});
}

}  // namespace

void add_clients_api(AdminRoutes& routes, const PartsNow& parts) {
  const auto add = [&routes, &parts](const char* method, const char* path, Access access,
                                     AdminAnswer (*answer)(const Parts&, const std::string&)) {
    routes.add(method, path, access,
               [parts, answer](const AdminRequest& request, const AdminReply& reply) {
                 const Parts now = parts();
                 if (now.broker == nullptr) return reply(error_answer(503, "it is still starting"));
                 reply(answer(now, request.parameter("client")));
               });
  };
  routes.add("GET", "/api/v1/clients", Access::kRead,
             [parts](const AdminRequest& request, const AdminReply& reply) {
               const Parts now = parts();
               if (now.broker == nullptr) return reply(error_answer(503, "it is still starting"));
               reply(list(now, request));
             });
  add("GET", "/api/v1/clients/{client}", Access::kRead, show);
  add("POST", "/api/v1/clients/{client}/disconnect", Access::kChange, disconnect);
}

}  // namespace tg::app
