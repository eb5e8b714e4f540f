// tidegatectl log [COMPONENT LEVEL]: the levels of the log, changed at once until the next start.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

std::string levels_text(const Json& document) {
  std::vector<Row> rows{{"default", text(document, "default")}};
  for (const auto& component : document["components"]) {
    std::string level = text(component, "level");
    if (text(component, "own") == "false") level = "(" + level + ")";
    rows.push_back({text(component, "name"), std::move(level)});
  }
  return table({"COMPONENT", "LEVEL"}, rows);
}

struct Choice {
  std::string component;
  std::string level;
};

void run(Context& context, const Choice& choice) {
  if (choice.component.empty()) {
    if (const auto levels = context.get("/api/v1/log")) context.print(*levels, levels_text);
    return;
  }
  if (choice.level.empty()) return context.fail(kUsage, "log COMPONENT needs a LEVEL");
  const auto levels =
      context.call("PUT", "/api/v1/log/" + percent_encoded(choice.component), choice.level);
  if (levels) context.print(*levels, levels_text);
}

}  // namespace

void add_log(CLI::App& app, Context& context) {
  auto* noun =
      app.add_subcommand("log", "levels of the log, shown or changed until the next start");
  const auto choice = std::make_shared<Choice>();
  noun->add_option("component", choice->component, "a component, or default");
  noun->add_option("level", choice->level, "error, warning, info, debug; default: as the default");
  noun->callback([&context, choice] { run(context, *choice); });
}

}  // namespace tg::ctl
