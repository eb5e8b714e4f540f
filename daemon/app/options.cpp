#include "daemon/app/options.h"

#include <algorithm>
#include <utility>

#include "daemon/base/backoff.h"
#include "daemon/pipeline/dead_letters.h"

namespace tg::app {
namespace {

store::WhenFull when_full(const std::string& text) {
  if (text == "reject") return store::WhenFull::kReject;
  return text == "drop-newest" ? store::WhenFull::kDropNewest : store::WhenFull::kDropOldest;
}

store::StartAt start_at(const std::string& text) {
  return text == "now" ? store::StartAt::kNow : store::StartAt::kOldest;
}

uplink::Format format(const std::string& text) {
  if (text == "raw") return uplink::Format::kRaw;
  if (text == "cbor") return uplink::Format::kCbor;
  return text == "jsonl" ? uplink::Format::kJsonl : uplink::Format::kJson;
}

uplink::Compression compression(const std::string& text) {
  if (text == "zstd") return uplink::Compression::kZstd;
  return text == "gzip" ? uplink::Compression::kGzip : uplink::Compression::kNone;
}

int priority_of(const config::Config& config, const std::string& stream) {
  const auto at = std::find_if(config.streams.begin(), config.streams.end(),
                               [&stream](const auto& s) { return s.name == stream; });
  return at == config.streams.end() ? 5 : at->priority;
}

}  // namespace

store::StoreOptions store_options(const config::Config& config) {
  store::StoreOptions options;
  options.directory = config.data_dir;
  options.pending_bytes = config.store_pending;
  options.space = {config.store_max_bytes, config.store_max_percent, config.store_min_free};
  options.encrypt = config.store_encrypted;
  options.keys = config.store_keys;
  options.flash_saver = config.flash_saver;
  for (const auto& stream : config.streams) {
    options.streams.push_back({stream.name, stream.priority, stream.max_size, stream.max_age_ms,
                               when_full(stream.when_full), stream.commit_interval_ms,
                               stream.compress, stream.may_be_lost});
  }
  store::StreamOptions letters;
  letters.name = pipeline::kDeadLetterStream;
  letters.priority = 9;
  letters.max_size = config.dead_letters.max_size;
  letters.max_age_ms = config.dead_letters.max_age_ms;
  options.streams.push_back(std::move(letters));
  options.readers.push_back(
      {pipeline::kDeadLetterStream, pipeline::kDeadLetterReader, store::StartAt::kOldest});
  for (const auto& item : config.exports) {
    options.readers.push_back({item.stream, item.name, start_at(item.start)});
  }
  for (const auto& processor : config.processors) {
    options.readers.push_back({processor.input, processor.name, start_at(processor.start)});
  }
  return options;
}

std::vector<pipeline::Route> routes(const config::Config& config, const store::Store& store) {
  std::vector<pipeline::Route> all;
  for (const auto& route : config.routes) {
    pipeline::Route out{route.name, route.from, store.find_stream(route.to), {}};
    if (!route.on_error.empty()) out.on_error = store.find_stream(route.on_error);
    all.push_back(std::move(out));
  }
  return all;
}

std::vector<std::string> bridged_filters(const config::Config& config) {
  std::vector<std::string> filters;
  for (const auto& rule : config.bridge) filters.push_back(rule.local);
  return filters;
}

Result<uplink::UplinkOptions> uplink_options(const config::Config& config,
                                             const config::Cloud& cloud) {
  uplink::UplinkOptions options;
  options.gateway_id = config.gateway_id;
  auto& session = options.session;
  session.name = cloud.name;
  for (const auto& entry : cloud.endpoints) {
    auto endpoint = cloud::parse_endpoint(entry.url);
    if (!endpoint) return tl::unexpected(endpoint.error());
    endpoint->expensive = entry.expensive;
    session.endpoints.push_back(std::move(*endpoint));
  }
  session.link.client_id = cloud.client_id;
  session.link.username = cloud.username;
  session.link.password = cloud.password;
  session.link.protocol = cloud.protocol;
  session.link.keep_alive_s = static_cast<int>(cloud.keep_alive_ms / 1000);
  session.link.ca = cloud.ca;
  session.link.certificate = cloud.certificate;
  session.link.private_key = cloud.private_key;
  session.window = cloud.window;
  session.ack_timeout_ms = cloud.ack_timeout_ms;
  session.backoff_min_ms = cloud.backoff_min_ms;
  session.backoff_max_ms = cloud.backoff_max_ms;
  session.publishes_per_second = cloud.publishes_per_second;
  session.bytes_per_second = cloud.bytes_per_second;
  options.limits = cloud.publish_limits;
  session.link.proxy = cloud.proxy;
  session.probe_ms = std::min(session.probe_ms, cloud.backoff_max_ms);
  session.backlog_share = cloud.backlog_share;
  session.wait_for_clock_ms = cloud.wait_for_clock_ms;
  for (const auto& rule : config.bridge) {
    if (rule.uplink != cloud.name) continue;
    options.bridge.push_back({rule.is_up, rule.local, rule.cloud, rule.expiry_ms, rule.max_queued});
  }
  for (const auto& item : config.exports) {
    if (item.to != cloud.name) continue;
    uplink::ExportOptions out;
    out.name = item.name;
    out.stream = item.stream;
    out.topic = item.topic;
    out.format = format(item.format);
    out.batch.max_records = item.max_records;
    out.batch.max_bytes = item.max_bytes;
    out.batch.metering_unit = item.metering_unit;
    out.batch.largest_bytes = cloud.publish_limits.payload_bytes;
    out.limits = cloud.publish_limits;
    out.expensive = item.expensive;
    out.live_first = item.live_first;
    out.compression = compression(item.compression);
    out.max_age_ms = item.max_age_ms;
    out.early_ms = stable_offset_ms(config.gateway_id + '/' + item.name, item.max_age_ms);
    out.priority = priority_of(config, item.stream);
    options.exports.push_back(std::move(out));
  }
  return options;
}

std::vector<plugin_host::ProcessorOptions> processor_options(const config::Config& config) {
  std::vector<plugin_host::ProcessorOptions> all;
  for (const auto& processor : config.processors) {
    plugin_host::ProcessorOptions options;
    options.name = processor.name;
    options.plugin = processor.plugin;
    options.input = processor.input;
    options.output = processor.output;
    options.config_json = processor.config_json;
    all.push_back(std::move(options));
  }
  return all;
}

}  // namespace tg::app
