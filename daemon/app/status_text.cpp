#include "daemon/app/status_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <vector>

namespace tg::app {
namespace {

using nlohmann::json;

std::string text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "-";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

double number(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : -1;
}

using Row = std::vector<std::string>;

// Columns as wide as their widest entry.
std::string table(const Row& head, const std::vector<Row>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t column = 0; column < head.size(); ++column) {
    std::size_t width = head[column].size();
    for (const auto& row : rows) width = std::max(width, row[column].size());
    widths.push_back(width);
  }
  std::string out;
  const auto add = [&out, &widths](const Row& row) {
    std::string line = " ";
    for (std::size_t column = 0; column < row.size(); ++column) {
      line += fmt::format(" {:<{}}", row[column], widths[column]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  };
  add(head);
  for (const auto& row : rows) add(row);
  return out;
}

template <class MakeRow>
std::string section(const json& status, const char* key, const char* title, const Row& head,
                    MakeRow make_row) {
  const auto found = status.find(key);
  if (found == status.end() || !found->is_array() || found->empty()) return {};
  std::vector<Row> rows;
  for (const auto& entry : *found) rows.push_back(make_row(entry));
  return fmt::format("\n{}\n{}", title, table(head, rows));
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 0) return "-";
  const auto whole = static_cast<std::int64_t>(seconds);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m {}s", whole / 60, whole % 60);
  if (whole < 86'400) return fmt::format("{}h {}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d {}h", whole / 86'400, whole % 86'400 / 3600);
}

std::string size_text(double bytes) {
  if (bytes < 0) return "-";
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1024 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string status_text(const json& status) {
  std::string out = fmt::format("Tidegate {}  gateway {}  {}  up {}\n", text(status, "version"),
                                text(status, "gateway"), text(status, "state"),
                                duration_text(number(status, "uptime_s")));
  const std::string reason = text(status, "reason");
  if (reason != "-" && !reason.empty()) out += fmt::format("why: {}\n", reason);
  if (const auto broker = status.find("broker"); broker != status.end()) {
    out += fmt::format("\nBroker   {} connected, {} sessions, {} subscriptions, {} retained\n",
                       text(*broker, "connections"), text(*broker, "sessions"),
                       text(*broker, "subscriptions"), text(*broker, "retained"));
  }
  if (const auto store = status.find("store"); store != status.end()) {
    out += fmt::format("Store    {}, {} waiting for commit, epoch {}\n", text(*store, "health"),
                       size_text(number(*store, "pending_bytes")), text(*store, "epoch"));
  }
  out += section(status, "streams", "Streams",
                 {"NAME", "PRIORITY", "RECORDS", "SIZE", "OLDEST", "EVICTED"}, [](const json& s) {
                   return Row{text(s, "name"),
                              text(s, "priority"),
                              text(s, "records"),
                              size_text(number(s, "bytes")),
                              duration_text(number(s, "oldest_age_s")),
                              text(s, "evicted")};
                 });
  out += section(status, "uplinks", "Uplinks", {"NAME", "STATE", "SINCE", "IN FLIGHT", "REASON"},
                 [](const json& u) {
                   return Row{text(u, "name"), text(u, "state"),
                              duration_text(number(u, "state_age_s")), text(u, "in_flight"),
                              text(u, "reason")};
                 });
  out += section(status, "exports", "Exports", {"NAME", "STREAM", "BACKLOG", "SENT", "IN FLIGHT"},
                 [](const json& e) {
                   return Row{text(e, "name"), text(e, "stream"), text(e, "backlog"),
                              text(e, "records_sent"), text(e, "in_flight")};
                 });
  out += section(status, "processors", "Processors",
                 {"NAME", "PLUGIN", "STATE", "BACKLOG", "IN", "OUT", "ERRORS"}, [](const json& p) {
                   return Row{text(p, "name"),    text(p, "plugin"),     text(p, "state"),
                              text(p, "backlog"), text(p, "records_in"), text(p, "records_out"),
                              text(p, "errors")};
                 });
  out.pop_back();
  return out;
}

}  // namespace tg::app
