#include "daemon/app/ctl/nouns.h"

namespace tg::ctl {

void add_nouns(CLI::App& app, Context& context) {
  add_status(app, context);
  add_clients(app, context);
  add_config(app, context);
  add_streams(app, context);
  add_dlq(app, context);
  add_plugins(app, context);
  add_log(app, context);
  add_users(app, context);
  add_trace(app, context);
  add_diag(app, context);
  add_top(app, context);
  add_backup(app, context);
  add_factory_reset(app, context);
}

}  // namespace tg::ctl
