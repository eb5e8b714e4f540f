#include "daemon/config/build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>
#include <utility>

#include "daemon/config/table.h"
#include "daemon/config/units.h"

namespace tg::config {
namespace {

const Value kNothing;

// One section of the tree, with the table's defaults behind it.
class Section {
 public:
  // pattern: as the table writes its place, "exports[]"; path: as an error does, "exports[2]".
  Section(const Value* value, std::string pattern, std::string path)
      : value_(value != nullptr ? value : &kNothing),
        pattern_(std::move(pattern)),
        path_(std::move(path)) {}

  [[nodiscard]] Section below(std::string_view key) const {
    return {value_->find(key), join(pattern_, key), path_of(key)};
  }
  [[nodiscard]] std::string path_of(std::string_view key) const { return join(path_, key); }
  // A section that is no map has an error of its own: what it lacks is not worth another.
  [[nodiscard]] bool lacks(std::string_view key) const {
    return !has(key) && (value_->is_map() || value_ == &kNothing);
  }
  [[nodiscard]] const Value* find(std::string_view key) const { return value_->find(key); }
  [[nodiscard]] bool has(std::string_view key) const { return value_->find(key) != nullptr; }
  [[nodiscard]] const Place& place() const { return value_->place; }

  [[nodiscard]] std::string text(std::string_view key) const {
    const Value* value = value_->find(key);
    if (value != nullptr && value->is_scalar()) return value->scalar;
    const Key* known = find_key(join(pattern_, key));
    return known != nullptr ? std::string(known->standard) : std::string();
  }
  [[nodiscard]] std::uint64_t integer(std::string_view key) const {
    return parse_integer(text(key)).value_or(0);
  }
  [[nodiscard]] std::uint64_t size(std::string_view key) const {
    return parse_size(text(key)).value_or(0);
  }
  [[nodiscard]] std::int64_t duration(std::string_view key) const {
    return parse_duration_ms(text(key)).value_or(0);
  }
  [[nodiscard]] bool flag(std::string_view key) const { return text(key) == "true"; }
  [[nodiscard]] std::vector<std::string> strings(std::string_view key) const {
    std::vector<std::string> all;
    const Value* value = value_->find(key);
    if (value == nullptr) return all;
    if (value->is_scalar()) all.push_back(value->scalar);
    for (const auto& item : value->list) all.push_back(item.scalar);
    return all;
  }
  [[nodiscard]] std::vector<Section> items(std::string_view key) const {
    std::vector<Section> all;
    const Value* value = value_->find(key);
    if (value == nullptr) return all;
    for (const auto& item : value->list) {
      all.emplace_back(&item, join(pattern_, key) + "[]",
                       fmt::format("{}[{}]", path_of(key), all.size()));
    }
    return all;
  }

 private:
  static std::string join(const std::string& section, std::string_view key) {
    return section.empty() ? std::string(key) : section + "." + std::string(key);
  }

  const Value* value_;
  std::string pattern_;
  std::string path_;
};

class Builder {
 public:
  Builder(const Value& tree, std::filesystem::path folder, std::vector<Problem>& errors,
          std::vector<Problem>& warnings)
      : root_(&tree, "", ""), folder_(std::move(folder)), errors_(errors), warnings_(warnings) {}

  Config build() {
    Config config;
    config.gateway_id = root_.below("gateway").text("id");
    if (config.gateway_id.empty()) config.gateway_id = host_name();
    config.data_dir = absolute(root_.below("gateway").text("data_dir"));
    read_log(config);
    read_broker(config);
    config.persistence = root_.below("broker").flag("persistence");
    read_store(config);
    read_streams(config);
    read_routes(config);
    read_processors(config);
    read_exports(config);
    const Section letters = root_.below("dead_letters");
    config.dead_letters = {letters.size("max_size"), letters.duration("max_age")};
    read_uplinks(config);
    read_bridge(config);
    config.plugin_paths = root_.below("plugins").strings("path");
    if (config.plugin_paths.empty()) {
      config.plugin_paths = {"/usr/lib/tidegate/plugins", "/usr/local/lib/tidegate/plugins"};
    }
    for (auto& path : config.plugin_paths) path = absolute(path);
    const Section health = root_.below("health");
    config.health = {health.text("stream"), health.text("topic"), health.duration("interval")};
    if (config.health.topic.empty()) config.health.topic = "dt/" + config.gateway_id + "/health";
    const Section defender = root_.below("defender");
    config.defender = {defender.text("stream"), defender.text("topic"),
                       defender.duration("interval"), defender.flag("custom_metrics")};
    if (config.defender.topic.empty()) {
      config.defender.topic = "$aws/things/" + config.gateway_id + "/defender/metrics/json";
    }
    const Section canary = root_.below("canary");
    config.canary = {canary.duration("interval"), canary.duration("timeout"), canary.text("topic")};
    if (config.canary.topic.empty()) config.canary.topic = "dt/" + config.gateway_id + "/canary";
    config.admin_socket = absolute(root_.below("admin").text("socket"));
    config.admin_http = root_.below("admin").text("http");
    if (config.admin_http == "off") config.admin_http.clear();
    if (root_.below("admin").has("tls")) {
      const Section tls = root_.below("admin").below("tls");
      config.admin_tls = {absolute(tls.text("certificate")), absolute(tls.text("private_key"))};
    }
    config.admin_tokens = absolute(root_.below("admin").text("tokens"));
    if (!config.admin_tokens.empty() && ::access(config.admin_tokens.c_str(), R_OK) != 0) {
      add(root_.below("admin").find("tokens")->place, "admin.tokens",
          fmt::format("{} cannot be read", config.admin_tokens));
    }
    return config;
  }

 private:
  static std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 ? name : "gateway";
  }

  [[nodiscard]] std::string absolute(const std::string& path) const {
    if (path.empty() || path.front() == '/') return path;
    return (folder_ / path).lexically_normal().string();
  }

  void read_log(Config& config) const {
    config.log_level = root_.below("log").text("level");
    if (const Value* components = root_.below("log").find("components")) {
      for (const auto& [name, level] : components->map) {
        config.component_levels.emplace_back(name, level.scalar);
      }
    }
  }

  void read_broker(Config& config) {
    const Section broker = root_.below("broker");
    for (const auto& item : broker.items("listeners")) read_listener(item, config);
    if (!broker.has("listeners")) config.listeners.push_back({"default", "127.0.0.1:1883", true});
    if (broker.has("listeners") && config.listeners.empty()) {
      add(broker.place(), "broker.listeners", "is empty; leave it out for the default");
    }
    const Section limits = broker.below("limits");
    config.limits = {limits.integer("max_connections"), limits.size("max_packet_size"),
                     limits.integer("receive_maximum"), limits.integer("max_inflight"),
                     limits.integer("max_queued"),      limits.size("max_queued_bytes"),
                     limits.size("total_memory"),       limits.duration("session_expiry"),
                     limits.duration("max_keep_alive"), limits.duration("reject_grace")};
  }

  // In the file's order, right or wrong: check_listeners() finds their places by it.
  void read_listener(const Section& item, Config& config) {
    Listener listener;
    listener.name = required(item, "name");
    listener.address = required(item, "address");
    listener.anonymous = item.flag("anonymous");
    listener.trusted = item.flag("trusted");
    listener.web_socket = item.text("protocol") == "websocket";
    listener.origins = item.strings("origins");
    listener.users = absolute(item.text("users"));
    listener.proxy_protocol = item.flag("proxy_protocol");
    if (item.has("tls")) {
      const Section tls = item.below("tls");
      listener.tls = {key_file(tls.text("certificate")), key_file(tls.text("private_key")),
                      absolute(tls.text("client_ca")), absolute(tls.text("crl"))};
      for (const auto& name : tls.items("names")) {
        listener.tls->names.push_back({required(name, "name"),
                                       absolute(required(name, "certificate")),
                                       key_file(required(name, "private_key"))});
      }
    }
    listener.max_connections = item.integer("max_connections");
    config.listeners.push_back(std::move(listener));
  }

  [[nodiscard]] std::string key_file(const std::string& path) const {
    return path.starts_with("pkcs11:") ? path : absolute(path);
  }

  void read_streams(Config& config) {
    const Value* streams = root_.find("streams");
    if (streams == nullptr) return;
    for (const auto& [name, value] : streams->map) {
      const Section stream(&value, "streams.*", "streams." + name);
      config.streams.push_back(
          {name, static_cast<int>(stream.integer("priority")), stream.size("max_size"),
           stream.duration("max_age"), stream.text("when_full"), stream.duration("commit_interval"),
           stream.text("compression") == "zstd", stream.text("durability") == "memory"});
    }
  }

  void read_routes(Config& config) {
    for (const auto& item : root_.items("routes")) {
      Route route{required(item, "name"), item.strings("from"), required(item, "to"), {}};
      if (item.has("on_error")) {
        route.on_error = required(item.below("on_error"), "to");
      }
      if (item.lacks("from") || (item.has("from") && route.from.empty())) {
        add(item.place(), item.path_of("from"), "is missing");
      }
      config.routes.push_back(std::move(route));
    }
  }

  void read_processors(Config& config) {
    for (const auto& item : root_.items("processors")) {
      Processor processor;
      processor.name = required(item, "name");
      processor.plugin = required(item, "plugin");
      processor.input = item.text("input");  // a sink may be fed by exports: validate.h looks
      processor.start = item.text("start");
      if (item.text("isolation") != "thread") {
        add(item.has("isolation") ? item.find("isolation")->place : item.place(),
            "processors.isolation",
            fmt::format("processor {}: plugin processes are not available yet; write isolation: "
                        "thread (left out, it means process)",
                        processor.name));
      }
      processor.output = item.text("output");
      processor.output_topic = item.below("output").text("topic");
      const Value* own = item.find("config");
      processor.config_json = own != nullptr ? to_json(*own) : "{}";
      config.processors.push_back(std::move(processor));
    }
  }

  void read_exports(Config& config) {
    for (const auto& item : root_.items("exports")) {
      const Section batch = item.below("batch");
      const std::string to = required(item, "to");
      const bool to_sink = find_sink(config, to) != nullptr;
      const std::string topic = to_sink ? item.text("topic") : required(item, "topic");
      config.exports.push_back(
          {required(item, "name"), required(item, "stream"), to, topic, item.text("format"),
           item.text("start"), batch.integer("max_records"), batch.size("max_bytes"),
           batch.duration("max_age"), item.text("compression"), batch.size("metering_unit"),
           item.text("order") == "live-first", item.flag("expensive")});
    }
  }

  // `cloud:` is short for one entry named cloud.
  void read_uplinks(Config& config) {
    if (const Value* cloud = root_.find("cloud")) {
      config.uplinks.push_back(read_cloud(Section(cloud, "cloud", "cloud"), config.gateway_id));
    }
    for (const auto& item : root_.items("uplinks")) {
      Cloud uplink = read_cloud(item, config.gateway_id);
      uplink.name = required(item, "name");
      config.uplinks.push_back(std::move(uplink));
    }
  }

  void read_bridge(Config& config) {
    for (const auto& item : root_.items("bridge")) {
      Bridge bridge;
      bridge.is_up = required(item, "direction") == "up";
      bridge.local = required(item, "local");
      bridge.cloud = required(item, "cloud");
      bridge.uplink = item.text("uplink");
      if (bridge.uplink.empty() && !config.uplinks.empty()) {
        bridge.uplink = config.uplinks.front().name;
      }
      bridge.expiry_ms = item.duration("expiry");
      bridge.max_queued = item.integer("max_queued");
      config.bridge.push_back(std::move(bridge));
    }
  }

  Cloud read_cloud(const Section& section, const std::string& gateway_id) {
    Cloud cloud;
    if (const Value* endpoints = section.find("endpoints")) {
      for (const auto& item : endpoints->list) {
        const Value* url = item.is_map() ? item.find("url") : &item;
        const Value* expensive = item.find("expensive");
        if (url == nullptr) continue;  // check.cpp says so
        cloud.endpoints.push_back(
            {url->scalar, expensive != nullptr && expensive->scalar == "true"});
      }
    } else if (section.lacks("endpoints")) {
      add(section.place(), section.path_of("endpoints"), "is missing");
    }
    cloud.protocol = section.text("protocol") == "5" ? 5 : 4;
    cloud.client_id = section.has("client_id") ? section.text("client_id") : gateway_id;
    cloud.username = section.text("username");
    cloud.password = first_line(read_secret(section, "password"));
    cloud.ack_timeout_ms = section.duration("ack_timeout");
    cloud.certificate = absolute(section.text("certificate"));
    cloud.private_key = absolute(section.text("private_key"));
    cloud.ca = absolute(section.text("ca"));
    cloud.keep_alive_ms = section.duration("keep_alive");
    cloud.window = section.integer("window");
    const Section backoff = section.below("backoff");
    cloud.backoff_min_ms = backoff.duration("min");
    cloud.backoff_max_ms = backoff.duration("max");
    const Section limits = section.below("limits");
    cloud.publishes_per_second = limits.integer("publishes_per_second");
    cloud.bytes_per_second = limits.size("bytes_per_second");
    cloud.subscriptions = limits.integer("subscriptions");
    cloud.publish_limits = {limits.size("payload"), limits.integer("topic_levels"),
                            limits.size("topic")};
    cloud.backlog_share = parse_percent(section.text("backlog_share")).value_or(50);
    cloud.proxy = section.text("proxy");
    if (cloud.proxy == "none") cloud.proxy.clear();
    cloud.wait_for_clock_ms = section.duration("wait_for_clock");
    for (const char* key : {"certificate", "private_key", "ca"}) {
      const Value* value = section.find(key);
      if (value == nullptr) continue;
      const std::string file = absolute(value->scalar);
      if (file.starts_with("pkcs11:") || value->scalar.starts_with("pkcs11:")) {
        add(value->place, section.path_of(key), "keys in a token are not available yet");
      } else if (::access(file.c_str(), R_OK) != 0) {
        add(value->place, section.path_of(key), fmt::format("{} cannot be read", file));
      }
    }
    return cloud;
  }

  void read_store(Config& config) {
    const Section store = root_.below("store");
    const std::string limit = store.text("max_size");
    if (const auto percent = parse_percent(limit)) {
      config.store_max_percent = *percent;
    } else {
      config.store_max_bytes = parse_size(limit).value_or(0);
    }
    config.store_min_free = store.size("min_free");
    config.store_pending = store.size("pending");
    config.flash_saver = store.flag("flash_saver");
    const Section encryption = store.below("encryption");
    config.store_encrypted = store.has("encryption");
    if (!config.store_encrypted) return;
    config.store_keys = read_secret(encryption, "key");
    if (encryption.lacks("key")) add(encryption.place(), encryption.path_of("key"), "is missing");
  }

  // All of the file or credential.
  std::string read_secret(const Section& section, const char* key) {
    const Value* value = section.find(key);
    const std::string path = section.path_of(key);
    if (value == nullptr) return {};
    if (value->is_scalar()) return value->scalar;
    const Value* file = value->find("file");
    const Value* credential = value->find("credential");
    if (file != nullptr) return read_file(absolute(file->scalar), file->place, path + ".file");
    if (credential == nullptr) return {};
    // systemd's LoadCredential=; a check outside of the unit cannot see it.
    const char* folder = std::getenv("CREDENTIALS_DIRECTORY");
    if (folder == nullptr) {
      warnings_.push_back({credential->place, path + ".credential",
                           fmt::format("{} is not looked at: there is no $CREDENTIALS_DIRECTORY "
                                       "outside of a unit with LoadCredential=",
                                       credential->scalar)});
      return {};
    }
    return read_file(std::string(folder) + "/" + credential->scalar, credential->place,
                     path + ".credential");
  }

  static std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

  std::string read_file(const std::string& file, const Place& place, std::string path) {
    std::ifstream input(file, std::ios::binary);
    std::string content{std::istreambuf_iterator<char>(input), {}};
    if (content.empty()) {
      add(place, std::move(path), fmt::format("{} cannot be read or is empty", file));
    }
    return content;
  }

  std::string required(const Section& item, const char* key) {
    std::string text = item.text(key);
    if (text.empty() && item.lacks(key)) add(item.place(), item.path_of(key), "is missing");
    return text;
  }

  void add(const Place& place, std::string path, std::string message) {
    errors_.push_back({place, std::move(path), std::move(message)});
  }

  Section root_;
  std::filesystem::path folder_;
  std::vector<Problem>& errors_;
  std::vector<Problem>& warnings_;
};

}  // namespace

Config build(const Value& tree, const std::filesystem::path& folder, std::vector<Problem>& errors,
             std::vector<Problem>& warnings) {
  return Builder(tree, folder, errors, warnings).build();
}

const Processor* find_sink(const Config& config, std::string_view to) {
  for (const auto& processor : config.processors) {
    if (processor.name == to && !to.empty()) return &processor;
  }
  return nullptr;
}

void feed_sinks(Config& config) {
  std::vector<Processor> fed;
  std::erase_if(config.exports, [&](const Export& item) {
    const Processor* sink = find_sink(config, item.to);
    if (sink == nullptr) return false;
    fed.push_back({item.name, sink->plugin, item.stream, "", item.start, sink->config_json});
    return true;
  });
  std::erase_if(config.processors,
                [](const Processor& p) { return p.input.empty() || !p.output_topic.empty(); });
  config.processors.insert(config.processors.end(), fed.begin(), fed.end());
}

}  // namespace tg::config
