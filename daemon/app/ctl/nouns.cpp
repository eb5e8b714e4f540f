#include "daemon/app/ctl/nouns.h"

namespace tg::ctl {

void add_nouns(CLI::App& app, Context& context) {
  add_status(app, context);
  add_streams(app, context);
  add_dlq(app, context);
  add_plugins(app, context);
  add_log(app, context);
}

}  // namespace tg::ctl
