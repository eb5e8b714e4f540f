// tidegatectl: the operator's command. Speaks HTTP to the daemon's admin socket. The commands stand
// in nouns.h, the exit codes in context.h.
#include <CLI/CLI.hpp>
#include <exception>
#include <string>

#include "daemon/app/ctl/context.h"
#include "daemon/app/ctl/nouns.h"
#include "daemon/app/describe.h"
#include "daemon/app/version.h"

int main(int argc, char** argv) {
  using namespace tg::ctl;
  CLI::App app{"Asks the Tidegate daemon, or tells it what to do"};
  Context context;
  app.add_option("--socket", context.socket, "admin socket of the daemon (admin.socket)")
      ->envname("TIDEGATE_ADMIN_SOCKET")
      ->capture_default_str();
  app.add_flag("--json", context.as_json, "answer in JSON");
  app.set_version_flag("--version", std::string("tidegatectl ") + tg::app::kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  add_nouns(app, context);
  if (tg::app::was_described(app, "tidegatectl", argc, argv)) return kDone;
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kDone : kUsage;
  } catch (const std::exception& error) {
    context.fail(kRefused, error.what());
  }
  return context.exit_code;
}
