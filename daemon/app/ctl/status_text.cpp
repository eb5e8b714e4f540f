#include "daemon/app/ctl/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "daemon/app/ctl/text.h"

namespace tg::ctl {
namespace {

template <class MakeRow>
std::string section(const Json& status, const char* key, const char* title, const Row& head,
                    MakeRow make_row) {
  const auto found = status.find(key);
  if (found == status.end() || !found->is_array() || found->empty()) return {};
  std::vector<Row> rows;
  for (const auto& entry : *found) rows.push_back(make_row(entry));
  return fmt::format("\n{}\n{}", title, table(head, rows));
}

std::string export_state(const Json& item) {
  if (item.value("paused", false)) return "paused";
  return item.value("blocked", std::string()).empty() ? "-" : "blocked";
}

// Said only when there is something to say.
std::string config_text(const Json& status) {
  const auto config = status.find("config");
  if (config == status.end()) return {};
  std::string out;
  const std::string problem = text(*config, "problem");
  if (!problem.empty() && text(*config, "state") == "current") {
    out += fmt::format("Config   the changed file was refused: {}\n", problem);
  }
  for (const auto& key : config->value("restart_keys", Json::array())) {
    out += fmt::format("Config   {} counts after a restart\n", key.get<std::string>());
  }
  return out;
}

}  // namespace

std::string status_text(const Json& status) {
  std::string out = fmt::format("Tidegate {}  gateway {}  {}  up {}\n", text(status, "version"),
                                text(status, "gateway"), text(status, "state"),
                                duration_text(number(status, "uptime_s")));
  const std::string reason = text(status, "reason");
  if (reason != "-" && !reason.empty()) out += fmt::format("why: {}\n", reason);
  if (const auto broker = status.find("broker"); broker != status.end()) {
    out += fmt::format(
        "\nBroker   {} connected, {} sessions, {} subscriptions, {} retained; {} in, {} out\n",
        text(*broker, "connections"), text(*broker, "sessions"), text(*broker, "subscriptions"),
        text(*broker, "retained"), rate_text(number(*broker, "received_per_s")),
        rate_text(number(*broker, "delivered_per_s")));
  }
  if (const auto store = status.find("store"); store != status.end()) {
    out += fmt::format("Store    {}, {} used, room for {}, {} waiting for commit, epoch {}\n",
                       text(*store, "health"), size_text(number(*store, "used_bytes")),
                       size_text(number(*store, "room_bytes")),
                       size_text(number(*store, "pending_bytes")), text(*store, "epoch"));
  }
  if (const auto system = status.find("system"); system != status.end()) {
    out += fmt::format("Disk     {} free of {}\nProcess  {} resident, {} open files\n",
                       size_text(number(*system, "disk_free_bytes")),
                       size_text(number(*system, "disk_total_bytes")),
                       size_text(number(*system, "rss_bytes")), text(*system, "open_files"));
  }
  out += config_text(status);
  out +=
      section(status, "streams", "Streams",
              {"NAME", "PRIORITY", "RECORDS", "SIZE", "OF", "OLDEST", "IN", "FULL IN", "EVICTED"},
              [](const Json& s) {
                return Row{text(s, "name"),
                           text(s, "priority"),
                           text(s, "records"),
                           size_text(number(s, "bytes")),
                           size_text(number(s, "max_bytes")),
                           duration_text(number(s, "oldest_age_s")),
                           rate_text(number(s, "records_per_s")),
                           duration_text(number(s, "full_in_s")),
                           text(s, "evicted")};
              });
  out += section(status, "uplinks", "Uplinks", {"NAME", "STATE", "SINCE", "IN FLIGHT", "REASON"},
                 [](const Json& u) {
                   return Row{text(u, "name"), text(u, "state"),
                              duration_text(number(u, "state_age_s")), text(u, "in_flight"),
                              text(u, "reason")};
                 });
  out += section(status, "exports", "Exports",
                 {"NAME", "STREAM", "BACKLOG", "SENT", "IN FLIGHT", "STATE"}, [](const Json& e) {
                   return Row{text(e, "name"),         text(e, "stream"),    text(e, "backlog"),
                              text(e, "records_sent"), text(e, "in_flight"), export_state(e)};
                 });
  out += section(status, "processors", "Processors",
                 {"NAME", "PLUGIN", "STATE", "BACKLOG", "IN", "OUT", "ERRORS"}, [](const Json& p) {
                   return Row{text(p, "name"),    text(p, "plugin"),     text(p, "state"),
                              text(p, "backlog"), text(p, "records_in"), text(p, "records_out"),
                              text(p, "errors")};
                 });
  out += section(status, "certificates", "Certificates", {"KEY", "SUBJECT", "EXPIRES", "PROBLEM"},
                 [](const Json& c) {
                   return Row{text(c, "key"), text(c, "subject"),
                              time_text(std::max(number(c, "not_after"), 0.0)), text(c, "problem")};
                 });
  return out;
}

}  // namespace tg::ctl
