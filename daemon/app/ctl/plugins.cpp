// tidegatectl plugins: list.
#include <nlohmann/json.hpp>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"

namespace tg::ctl {
namespace {

std::string plugins_text(const Json& document) {
  std::vector<Row> rows;
  for (const auto& item : document["processors"]) {
    rows.push_back({text(item, "name"), text(item, "plugin"), text(item, "version"),
                    text(item, "state"), text(item, "backlog"), text(item, "errors"),
                    text(item, "last_error")});
  }
  return table({"NAME", "PLUGIN", "VERSION", "STATE", "BACKLOG", "ERRORS", "LAST ERROR"}, rows);
}

}  // namespace

void add_plugins(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("plugins", "plugin instances")->alias("plugin");
  noun->require_subcommand(1);
  noun->add_subcommand("list", "all instances")->callback([&context] {
    if (const auto all = context.get("/api/v1/plugins")) context.print(*all, plugins_text);
  });
}

}  // namespace tg::ctl
