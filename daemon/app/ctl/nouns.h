// The commands of tidegatectl, a file a noun. A new noun is a file here, a line here, and a line in
// add_nouns() (nouns.cpp). Each adds its subcommands to the app; their callbacks ask the daemon
// through the context and set its exit code.
#pragma once

#include <CLI/CLI.hpp>

#include "daemon/app/ctl/context.h"

namespace tg::ctl {

// All of them.
void add_nouns(CLI::App& app, Context& context);

void add_status(CLI::App& app, Context& context);
void add_clients(CLI::App& app, Context& context);
void add_trace(CLI::App& app, Context& context);
void add_diag(CLI::App& app, Context& context);
void add_backup(CLI::App& app, Context& context);  // and restore
void add_factory_reset(CLI::App& app, Context& context);
void add_top(CLI::App& app, Context& context);
void add_config(CLI::App& app, Context& context);
void add_streams(CLI::App& app, Context& context);
void add_stream_readers(CLI::App& noun, Context& context);  // commands of `streams`
void add_stream_copy(CLI::App& noun, Context& context);     // the same
void add_dlq(CLI::App& app, Context& context);
void add_plugins(CLI::App& app, Context& context);
void add_log(CLI::App& app, Context& context);
void add_users(CLI::App& app, Context& context);

}  // namespace tg::ctl
