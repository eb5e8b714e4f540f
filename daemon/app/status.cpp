#include "daemon/app/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "daemon/app/certificates.h"
#include "daemon/app/system.h"
#include "daemon/app/version.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

const char* health_name(store::Health health) {
  switch (health) {
    case store::Health::kOk:
      return "ok";
    case store::Health::kFailing:
      return "failing";
    case store::Health::kStalled:
      return "stalled";
  }
  return "?";
}

std::vector<plugin_host::ProcessorStatus> processors_of(const Parts& parts) {
  if (parts.plugins == nullptr) return {};
  return parts.plugins->status();
}

// Why it is degraded; empty when it is not.
std::string reason(const Parts& parts) {
  if (parts.store->health() != store::Health::kOk) {
    return fmt::format("store {}: {}", health_name(parts.store->health()),
                       parts.store->health_reason());
  }
  if (parts.reloader->runs_last_good()) {
    return "the configuration is invalid, the last good one runs: " + parts.reloader->problem();
  }
  for (const auto* uplink : parts.uplinks) {
    for (const auto& item : uplink->status().exports) {
      if (item.blocked.empty()) continue;
      return fmt::format("export {} is blocked: {}", item.name, item.blocked);
    }
  }
  for (const auto& item : processors_of(parts)) {
    if (item.state != "failed" && item.state != "blocked") continue;
    return fmt::format("processor {} {}: {}", item.name,
                       item.state == "failed" ? "has failed" : "is blocked", item.last_error);
  }
  return {};
}

std::string state_name(const Parts& parts, const std::string& reason) {
  switch (parts.phase) {
    case Phase::kStarting:
      return "starting";
    case Phase::kStopping:
      return "stopping";
    case Phase::kRunning:
      break;
  }
  return reason.empty() ? "running" : "degraded";
}

ordered_json broker_json(const broker::BrokerStats& stats, const Rates& rates) {
  return {{"connections", stats.connections},
          {"sessions", stats.sessions},
          {"subscriptions", stats.subscriptions},
          {"retained", stats.retained},
          {"received", stats.received},
          {"delivered", stats.delivered},
          {"dropped", stats.dropped},
          {"received_per_s", rates.per_second("received")},
          {"delivered_per_s", rates.per_second("delivered")},
          {"memory_bytes", stats.memory}};
}

// Null for a stream that the configuration names no more.
const config::Stream* configured(const config::Config& config, const std::string& stream) {
  for (const auto& each : config.streams) {
    if (each.name == stream) return &each;
  }
  return nullptr;
}

// Bytes a second of all streams that grow.
double growth_of_all(const Parts& parts) {
  double grows = 0;
  for (std::size_t i = 0; i < parts.store->stream_count(); ++i) {
    const auto name = parts.store->status(static_cast<store::StreamId>(i)).name;
    grows += std::max(parts.rates->per_second("bytes/" + name), 0.0);
  }
  return grows;
}

// Until it reaches its own limit, or all that grow together have used up the room of the store, at
// the rates of the last minute; null when it does not grow.
ordered_json full_in_s(const store::StreamStatus& status, const config::Stream* stream,
                       const Parts& parts, double all_grow) {
  const double grows = parts.rates->per_second("bytes/" + status.name);
  if (stream == nullptr || grows <= 0) return nullptr;
  const double own = static_cast<double>(stream->max_size) - static_cast<double>(status.bytes);
  const auto room = static_cast<double>(parts.store->space().room_bytes);
  return std::min(std::max(own, 0.0) / grows, room / std::max(all_grow, grows));
}

ordered_json system_json(const SystemFigures& figures) {
  return {{"disk_free_bytes", figures.disk_free_bytes},
          {"disk_total_bytes", figures.disk_total_bytes},
          {"rss_bytes", figures.rss_bytes},
          {"cpu_seconds", figures.cpu_seconds},
          {"open_files", figures.open_files},
          {"memory_available_bytes", figures.memory_available_bytes},
          {"load", figures.load}};
}

ordered_json config_json(const Reloader& reloader) {
  return {{"file", reloader.file().string()},
          {"state", reloader.runs_last_good() ? "last-good" : "current"},
          {"problem", reloader.problem()},
          {"loaded", reloader.loaded_wall_ms()},
          {"restart_keys", reloader.restart_keys()}};
}

// What the configuration says that a reader is; null for one that it names no more.
ordered_json kind_of(const config::Config& config, const store::ReaderStatus& reader) {
  const auto is_it = [&reader](const std::string& stream, const std::string& name) {
    return !reader.detached && stream == reader.stream && name == reader.name;
  };
  for (const auto& item : config.exports) {
    if (is_it(item.stream, item.name)) return "export";
  }
  for (const auto& item : config.processors) {
    if (is_it(item.input, item.name)) return "processor";
  }
  return nullptr;
}

// Records from its position on; null for a stream that is not open.
ordered_json backlog_of(const store::Store& store, const store::ReaderStatus& reader) {
  for (std::size_t i = 0; i < store.stream_count(); ++i) {
    const auto stream = store.status(static_cast<store::StreamId>(i));
    if (stream.name != reader.stream) continue;
    return stream.next - std::min(std::max(reader.position, stream.first), stream.next);
  }
  return nullptr;
}

// Of the metered bytes, what batching and compression saved.
double saved_share(const uplink::ExporterStatus& item) {
  if (item.metered_singly_bytes == 0) return 0;
  return 1 -
         static_cast<double>(item.metered_bytes) / static_cast<double>(item.metered_singly_bytes);
}

void add_uplink(ordered_json& status, const Parts& parts, const uplink::UplinkStatus& uplink) {
  const auto& session = uplink.session;
  const auto now = parts.clock->now();
  status["uplinks"].push_back(
      {{"name", uplink.name},
       {"state", uplink::to_string(session.state)},
       {"state_age_s", static_cast<double>(now.wall_ms - session.since_ms) / 1000},
       {"reason", session.reason},
       {"cause", session.cause},
       {"endpoint", session.endpoint},
       {"expensive", session.expensive},
       {"in_flight", session.in_flight},
       {"isolating", session.isolating},
       {"reconnects", session.reconnects}});
  for (const auto& item : uplink.exports) {
    status["exports"].push_back({{"name", item.name},
                                 {"stream", item.stream},
                                 {"uplink", uplink.name},
                                 {"position", item.position},
                                 {"backlog", item.backlog},
                                 {"in_flight", item.in_flight},
                                 {"records_sent", item.sent_records},
                                 {"batches_sent", item.sent_batches},
                                 {"bytes_sent", item.sent_bytes},
                                 {"metered_bytes", item.metered_bytes},
                                 {"saved_share", saved_share(item)},
                                 {"dead_letters", item.dead_letters},
                                 {"paused", item.paused},
                                 {"blocked", item.blocked}});
  }
}

ordered_json processors_json(const Parts& parts) {
  ordered_json all = ordered_json::array();
  for (const auto& item : processors_of(parts)) {
    all.push_back({{"name", item.name},
                   {"plugin", item.plugin},
                   {"version", item.version},
                   {"state", item.state},
                   {"position", item.position},
                   {"backlog", item.backlog},
                   {"records_in", item.records_in},
                   {"records_out", item.records_out},
                   {"errors", item.errors},
                   {"dead_letters", item.dead_letters},
                   {"last_error", item.last_error}});
  }
  return all;
}

ordered_json certificates_json(const Parts& parts) {
  ordered_json all = ordered_json::array();
  const std::int64_t now_s = parts.clock->now().wall_ms / 1000;
  for (const auto& item : parts.reloader->certificates()) {
    const bool is_read = item.not_after_s != 0;
    all.push_back({{"key", item.key},
                   {"file", item.file},
                   {"subject", item.subject},
                   {"not_after", is_read ? ordered_json(item.not_after_s * 1000) : ordered_json()},
                   {"left_s", is_read ? ordered_json(item.not_after_s - now_s) : ordered_json()},
                   {"problem", problem_at(item, now_s)}});
  }
  return all;
}

}  // namespace

ordered_json streams_json(const Parts& parts) {
  ordered_json all = ordered_json::array();
  const double all_grow = growth_of_all(parts);
  for (std::size_t i = 0; i < parts.store->stream_count(); ++i) {
    const auto status = parts.store->status(static_cast<store::StreamId>(i));
    if (status.name == pipeline::kDeadLetterStream) continue;  // has a section of its own
    ordered_json age = nullptr;
    if (status.oldest_wall_ms > 0) {
      age = static_cast<double>(parts.clock->now().wall_ms - status.oldest_wall_ms) / 1000;
    }
    const config::Stream* stream = configured(*parts.config, status.name);
    all.push_back(
        {{"name", status.name},
         {"priority", stream != nullptr ? ordered_json(stream->priority) : ordered_json()},
         {"max_bytes", stream != nullptr ? ordered_json(stream->max_size) : ordered_json()},
         {"records_per_s", parts.rates->per_second("records/" + status.name)},
         {"full_in_s", full_in_s(status, stream, parts, all_grow)},
         {"records", status.next - status.first},
         {"bytes", status.bytes},
         {"first", status.first},
         {"next", status.next},
         {"oldest_age_s", std::move(age)},
         {"evicted", status.evicted}});
  }
  return all;
}

ordered_json readers_json(const Parts& parts) {
  ordered_json all = ordered_json::array();
  for (const auto& reader : parts.store->readers()) {
    if (reader.stream == pipeline::kDeadLetterStream) continue;  // has a section of its own
    all.push_back({{"stream", reader.stream},
                   {"name", reader.name},
                   {"kind", kind_of(*parts.config, reader)},
                   {"position", reader.position},
                   {"backlog", backlog_of(*parts.store, reader)},
                   {"detached", reader.detached},
                   {"paused", reader.paused},
                   {"missed", reader.missed}});
  }
  return all;
}

ordered_json status_json(const Parts& parts) {
  ordered_json status;
  status["version"] = kVersion;
  status["gateway"] = parts.config->gateway_id;
  const std::string why = reason(parts);
  status["state"] = state_name(parts, why);
  status["reason"] = why;
  status["ready"] = parts.phase == Phase::kRunning;
  status["uptime_s"] = static_cast<double>(parts.uptime_ms) / 1000;
  status["config"] = config_json(*parts.reloader);
  status["system"] = system_json(read_system(parts.config->data_dir));
  if (parts.broker != nullptr) status["broker"] = broker_json(parts.broker->stats(), *parts.rates);
  status["store"] = {{"health", health_name(parts.store->health())},
                     {"reason", parts.store->health_reason()},
                     {"pending_bytes", parts.store->pending_bytes()},
                     {"epoch", parts.store->epoch()},
                     {"salvaging", parts.store->is_salvaging()},
                     {"used_bytes", parts.store->space().used_bytes},
                     {"limit_bytes", parts.store->space().limit_bytes},
                     {"room_bytes", parts.store->space().room_bytes}};
  status["streams"] = streams_json(parts);
  status["readers"] = readers_json(parts);
  status["uplinks"] = ordered_json::array();
  status["exports"] = ordered_json::array();
  for (const auto* uplink : parts.uplinks) add_uplink(status, parts, uplink->status());
  if (parts.dead_letters != nullptr) {
    status["dead_letters"] = {{"count", parts.dead_letters->count()},
                              {"bytes", parts.dead_letters->bytes()}};
  }
  status["processors"] = processors_json(parts);
  status["certificates"] = certificates_json(parts);
  return status;
}

std::string status_line(const Parts& parts) {
  std::uint64_t records = 0;
  for (std::size_t i = 0; i < parts.store->stream_count(); ++i) {
    const auto status = parts.store->status(static_cast<store::StreamId>(i));
    records += status.next - status.first;
  }
  const std::string why = reason(parts);
  std::string line =
      fmt::format("{}: {} connected, {} records stored", state_name(parts, why),
                  parts.broker != nullptr ? parts.broker->stats().connections : 0, records);
  for (const auto* uplink : parts.uplinks) {
    const auto session = uplink->status().session;
    line += fmt::format(", uplink {} {}", uplink->name(), uplink::to_string(session.state));
    if (!session.reason.empty()) line += fmt::format(" ({})", session.reason);
  }
  if (!why.empty()) line += ", " + why;
  return line;
}

void update_gauges(const Parts& parts, Metrics& metrics) {
  if (parts.dead_letters != nullptr) {
    metrics.gauge("tidegate_dead_letters", "Records in the dead-letter queue")
        .set(static_cast<double>(parts.dead_letters->count()));
  }
  for (std::size_t i = 0; i < parts.store->stream_count(); ++i) {
    const auto status = parts.store->status(static_cast<store::StreamId>(i));
    const MetricLabels labels{{"stream", status.name}};
    metrics.gauge("tidegate_stream_records", "Records stored", labels)
        .set(static_cast<double>(status.next - status.first));
    metrics.gauge("tidegate_stream_bytes", "Bytes of a stream's segments", labels)
        .set(static_cast<double>(status.bytes));
  }
  const auto& space = parts.store->space();
  metrics.gauge("tidegate_store_used_bytes", "Of all files of the data directory")
      .set(static_cast<double>(space.used_bytes));
  metrics.gauge("tidegate_store_limit_bytes", "store.max_size in bytes")
      .set(static_cast<double>(space.limit_bytes));
  metrics.gauge("tidegate_store_room_bytes", "What fits before something has to give way")
      .set(static_cast<double>(space.room_bytes));
  metrics.gauge("tidegate_store_healthy", "1 when commits work, else 0")
      .set(parts.store->health() == store::Health::kOk ? 1 : 0);
  const auto system = read_system(parts.config->data_dir);
  metrics.gauge("tidegate_disk_free_bytes", "Free on the file system of the data directory")
      .set(static_cast<double>(system.disk_free_bytes));
  metrics.gauge("tidegate_disk_size_bytes", "Size of the file system of the data directory")
      .set(static_cast<double>(system.disk_total_bytes));
  metrics.gauge("process_resident_memory_bytes", "Resident memory of the daemon")
      .set(static_cast<double>(system.rss_bytes));
  metrics.gauge("process_open_fds", "Open file descriptors of the daemon")
      .set(static_cast<double>(system.open_files));
  for (const auto& item : parts.reloader->certificates()) {
    metrics
        .gauge("tidegate_certificate_expiration_timestamp_seconds",
               "When a certificate of the gateway's own expires; 0 when it cannot be read",
               {{"key", item.key}})
        .set(static_cast<double>(item.not_after_s));
  }
  metrics.gauge("tidegate_config_last_good", "1 when the last good configuration runs, else 0")
      .set(parts.reloader->runs_last_good() ? 1 : 0);
  metrics.gauge("tidegate_config_restart_keys", "Changed keys that wait for a restart")
      .set(static_cast<double>(parts.reloader->restart_keys().size()));
  metrics.gauge("tidegate_uptime_seconds", "Since the start of the process")
      .set(static_cast<double>(parts.uptime_ms) / 1000);
}

}  // namespace tg::app
