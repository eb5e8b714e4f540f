// tidegatectl trace TOPIC: follows the next message on a topic through the gateway.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

std::string trace_text(const Json& report) {
  std::string out;
  for (const auto& step : report["steps"]) {
    out += fmt::format("{:>10.1f} ms  {:<7} {}\n", number(step, "after_ms"), text(step, "stage"),
                       text(step, "text"));
  }
  return out + text(report, "outcome") + "\n";
}

}  // namespace

void add_trace(CLI::App& app, Context& context) {
  auto* command = app.add_subcommand(
      "trace", "follow the next message on a topic: where it goes, why it stops");
  const auto topic = std::make_shared<std::string>();
  const auto seconds = std::make_shared<int>(10);
  command->add_option("topic", *topic, "a topic or a filter")->required();
  command->add_option("--timeout", *seconds, "seconds to wait and to follow")
      ->check(CLI::Range(1, 50))
      ->capture_default_str();
  command->callback([&context, topic, seconds] {
    const auto report = context.get(
        fmt::format("/api/v1/trace?topic={}&timeout={}", percent_encoded(*topic), *seconds));
    if (!report) return;
    context.print(*report, trace_text);
    // A script wants to know whether it arrived.
    if ((*report)["complete"] == false) context.exit_code = kRefused;
  });
}

}  // namespace tg::ctl
