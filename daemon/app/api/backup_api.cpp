// A backup of the store, made while the gateway runs. The copy lies in the data directory until it
// has been taken away; one at a time.
//
//   POST   /api/v1/backup   begins one; 409 while there is one, 507 without room for it
//   GET    /api/v1/backup   {"state": none | copying | ready | failed, "file", "bytes",
//                           "copied_bytes", "error"}
//   DELETE /api/v1/backup   stops it; its file goes
#include <nlohmann/json.hpp>

#include "daemon/app/api/api.h"

namespace tg::app {
namespace {

const char* state_name(store::BackupStatus::State state) {
  static constexpr const char* kNames[] = {"none", "copying", "ready", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

AdminAnswer answer_of(const Parts& parts) {
  const auto& status = parts.store->backup();
  return json_answer({{"state", state_name(status.state)},
                      {"file", store::backup_file(parts.config->data_dir).string()},
                      {"bytes", status.bytes},
                      {"copied_bytes", status.copied_bytes},
                      {"error", status.error}});
}

}  // namespace

void add_backup_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/api/v1/backup", Access::kRead,
             [parts](const AdminRequest&, const AdminReply& reply) { reply(answer_of(parts())); });
  routes.add("POST", "/api/v1/backup", Access::kChange,
             [parts](const AdminRequest&, const AdminReply& reply) {
               const auto begun = parts().store->begin_backup();
               reply(begun ? answer_of(parts()) : error_answer(begun.error()));
             });
  routes.add("DELETE", "/api/v1/backup", Access::kChange,
             [parts](const AdminRequest&, const AdminReply& reply) {
               parts().store->end_backup();
               reply(answer_of(parts()));
             });
}

}  // namespace tg::app
