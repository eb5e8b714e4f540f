// tidegatectl status: the state of the gateway on one screen.
#include <nlohmann/json.hpp>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/status_text.h"

namespace tg::ctl {

void add_status(CLI::App& app, Context& context) {
  app.add_subcommand("status", "state of the gateway on one screen")->callback([&context] {
    if (const auto status = context.get("/api/v1/status")) context.print(*status, status_text);
  });
}

}  // namespace tg::ctl
