// tidegatectl clients: list | show ID | disconnect ID.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

constexpr int kMaxPages = 100;

std::string clients_text(const Json& document) {
  std::vector<Row> rows;
  for (const auto& client : document["clients"]) {
    rows.push_back({text(client, "client_id"), text(client, "identity"),
                    client["connected"] == true ? "connected" : "away", text(client, "address"),
                    text(client, "protocol"), duration_text(number(client, "silent_s")),
                    text(client, "subscriptions"), text(client, "queued")});
  }
  return table(
      {"CLIENT", "IDENTITY", "STATE", "ADDRESS", "MQTT", "SILENT", "SUBSCRIPTIONS", "QUEUED"},
      rows);
}

std::string client_text(const Json& client) {
  std::string out;
  for (const auto& [key, value] : client.items()) {
    out += fmt::format("{:<14} {}\n", key, text(client, key.c_str()));
  }
  return out;
}

void list(Context& context, bool only_connected) {
  Json all{{"clients", Json::array()}};
  std::string after;
  for (int page = 0; page < kMaxPages; ++page) {
    const auto got = context.get("/api/v1/clients?limit=1000&after=" + percent_encoded(after));
    if (!got) return;
    for (const auto& client : (*got)["clients"]) {
      if (!only_connected || client["connected"] == true) all["clients"].push_back(client);
    }
    if ((*got)["next_after"].is_null()) break;
    after = text(*got, "next_after");
  }
  context.print(all, clients_text);
}

}  // namespace

void add_clients(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("clients", "the broker's clients")->alias("client");
  noun->require_subcommand(1);
  const auto only_connected = std::make_shared<bool>(false);
  auto* list_command = noun->add_subcommand("list", "all sessions");
  list_command->add_flag("--connected", *only_connected, "without those that are away");
  list_command->callback([&context, only_connected] { list(context, *only_connected); });

  const auto client = std::make_shared<std::string>();
  auto* show_command = noun->add_subcommand("show", "one client");
  show_command->add_option("client", *client, "its client id")->required();
  show_command->callback([&context, client] {
    const auto got = context.get("/api/v1/clients/" + percent_encoded(*client));
    if (got) context.print(*got, client_text);
  });

  auto* disconnect_command =
      noun->add_subcommand("disconnect", "end its connection; its session stays, its will is sent");
  disconnect_command->add_option("client", *client, "its client id")->required();
  disconnect_command->callback([&context, client] {
    const auto got =
        context.call("POST", "/api/v1/clients/" + percent_encoded(*client) + "/disconnect");
    if (got) context.print(*got, client_text);
  });
}

}  // namespace tg::ctl
