#include "daemon/config/build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
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
  Section(const Value* value, std::string pattern)
      : value_(value != nullptr ? value : &kNothing), pattern_(std::move(pattern)) {}

  [[nodiscard]] Section below(std::string_view key) const {
    return {value_->find(key), path_of(key)};
  }
  [[nodiscard]] const Value* find(std::string_view key) const { return value_->find(key); }
  [[nodiscard]] bool has(std::string_view key) const { return value_->find(key) != nullptr; }
  [[nodiscard]] const Place& place() const { return value_->place; }

  [[nodiscard]] std::string text(std::string_view key) const {
    const Value* value = value_->find(key);
    if (value != nullptr && value->is_scalar()) return value->scalar;
    const Key* known = find_key(path_of(key));
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
    for (const auto& item : value->list) all.emplace_back(&item, path_of(key) + "[]");
    return all;
  }

 private:
  [[nodiscard]] std::string path_of(std::string_view key) const {
    return pattern_.empty() ? std::string(key) : pattern_ + "." + std::string(key);
  }

  const Value* value_;
  std::string pattern_;
};

class Builder {
 public:
  Builder(const Value& tree, std::filesystem::path folder, std::vector<Problem>& errors,
          std::vector<Problem>& warnings)
      : root_(&tree, ""), folder_(std::move(folder)), errors_(errors), warnings_(warnings) {}

  Config build() {
    Config config;
    config.gateway_id = root_.below("gateway").text("id");
    if (config.gateway_id.empty()) config.gateway_id = host_name();
    config.data_dir = absolute(root_.below("gateway").text("data_dir"));
    read_log(config);
    read_broker(config);
    config.store_pending = root_.below("store").size("pending");
    config.persistence = root_.below("broker").flag("persistence");
    config.flash_saver = root_.below("store").flag("flash_saver");
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
    config.admin_socket = absolute(root_.below("admin").text("socket"));
    config.admin_http = root_.below("admin").text("http");
    if (config.admin_http == "off") config.admin_http.clear();
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
    const std::size_t errors_before = errors_.size();
    for (const auto& item : broker.items("listeners")) read_listener(item, config);
    if (!broker.has("listeners")) config.listeners.push_back({"default", "127.0.0.1:1883", true});
    if (config.listeners.empty() && errors_.size() == errors_before) {
      add(broker.place(), "broker.listeners",
          "none of these listeners can be served by this version; one plain ADDRESS:PORT is "
          "needed");
    }
    const Section limits = broker.below("limits");
    config.limits = {limits.integer("max_connections"), limits.size("max_packet_size"),
                     limits.integer("receive_maximum"), limits.integer("max_inflight"),
                     limits.integer("max_queued"),      limits.size("max_queued_bytes"),
                     limits.size("total_memory"),       limits.duration("session_expiry"),
                     limits.duration("max_keep_alive")};
  }

  static bool is_loopback(const std::string& address) {
    return address.starts_with("127.") || address.starts_with("[::1]:") ||
           address.starts_with("localhost:");
  }

  void read_listener(const Section& item, Config& config) {
    const std::string name = required(item, "name", "broker.listeners");
    const std::string address = required(item, "address", "broker.listeners");
    if (address.empty()) return;
    // Not available yet: they are named in the warning and skipped.
    if (item.has("tls") || address.starts_with("unix:") || item.text("protocol") == "websocket") {
      return;
    }
    const auto colon = address.rfind(':');
    const auto port =
        colon == std::string::npos ? std::nullopt : parse_integer(address.substr(colon + 1));
    if (!port || *port > 65'535 || colon == 0) {
      add(item.find("address")->place, "broker.listeners.address",
          fmt::format("\"{}\" is not ADDRESS:PORT", address));
      return;
    }
    if (!item.flag("anonymous")) {
      add(item.place(), "broker.listeners",
          fmt::format("listener {} has no tls and no users: write anonymous: true", name));
    }
    if (!is_loopback(address) && !item.flag("allow_insecure")) {
      add(item.place(), "broker.listeners",
          fmt::format(
              "listener {} takes anonymous clients without TLS on {}, which is not a loopback "
              "address: write allow_insecure: true if that is meant",
              name, address));
    }
    config.listeners.push_back({name, address, item.flag("anonymous")});
  }

  void read_streams(Config& config) {
    const Value* streams = root_.find("streams");
    if (streams == nullptr) return;
    for (const auto& [name, value] : streams->map) {
      const Section stream(&value, "streams.*");
      config.streams.push_back({name, static_cast<int>(stream.integer("priority")),
                                stream.size("max_size"), stream.duration("max_age"),
                                stream.text("when_full"), stream.duration("commit_interval")});
    }
  }

  void read_routes(Config& config) {
    for (const auto& item : root_.items("routes")) {
      Route route{required(item, "name", "routes"),
                  item.strings("from"),
                  required(item, "to", "routes"),
                  {}};
      if (item.has("on_error")) {
        route.on_error = required(item.below("on_error"), "to", "routes.on_error");
      }
      if (route.from.empty()) add(item.place(), "routes.from", "is missing");
      config.routes.push_back(std::move(route));
    }
  }

  void read_processors(Config& config) {
    for (const auto& item : root_.items("processors")) {
      Processor processor;
      processor.name = required(item, "name", "processors");
      processor.plugin = required(item, "plugin", "processors");
      processor.input = required(item, "input", "processors");
      processor.start = item.text("start");
      if (item.text("isolation") != "thread") {
        add(item.has("isolation") ? item.find("isolation")->place : item.place(),
            "processors.isolation",
            fmt::format("processor {}: plugin processes are not available yet; write isolation: "
                        "thread (left out, it means process)",
                        processor.name));
      }
      const Value* output = item.find("output");
      if (output == nullptr || !output->is_scalar()) {
        add(item.place(), "processors.output",
            "must name a stream ({topic: …} is not available yet)");
      } else {
        processor.output = output->scalar;
      }
      const Value* own = item.find("config");
      processor.config_json = own != nullptr ? to_json(*own) : "{}";
      config.processors.push_back(std::move(processor));
    }
  }

  void read_exports(Config& config) {
    for (const auto& item : root_.items("exports")) {
      const Section batch = item.below("batch");
      config.exports.push_back(
          {required(item, "name", "exports"), required(item, "stream", "exports"),
           required(item, "to", "exports"), required(item, "topic", "exports"), item.text("format"),
           item.text("start"), batch.integer("max_records"), batch.size("max_bytes"),
           batch.duration("max_age"), item.text("compression"), batch.size("metering_unit"),
           item.text("order") == "live-first", item.flag("expensive")});
    }
  }

  // `cloud:` is short for one entry named cloud.
  void read_uplinks(Config& config) {
    if (const Value* cloud = root_.find("cloud")) {
      config.uplinks.push_back(read_cloud(Section(cloud, "cloud"), config.gateway_id));
    }
    for (const auto& item : root_.items("uplinks")) {
      Cloud uplink = read_cloud(item, config.gateway_id);
      uplink.name = required(item, "name", "uplinks");
      config.uplinks.push_back(std::move(uplink));
    }
  }

  void read_bridge(Config& config) {
    for (const auto& item : root_.items("bridge")) {
      Bridge bridge;
      bridge.is_up = required(item, "direction", "bridge") == "up";
      bridge.local = required(item, "local", "bridge");
      bridge.cloud = required(item, "cloud", "bridge");
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
        const Value* expensive = item.is_map() ? item.find("expensive") : nullptr;
        cloud.endpoints.push_back(
            {url->scalar, expensive != nullptr && expensive->scalar == "true"});
      }
    } else {
      add(section.place(), "cloud.endpoints", "is missing");
    }
    cloud.protocol = section.text("protocol") == "5" ? 5 : 4;
    cloud.client_id = section.has("client_id") ? section.text("client_id") : gateway_id;
    cloud.username = section.text("username");
    cloud.password = read_secret(section, "password");
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
    cloud.backlog_share = parse_percent(section.text("backlog_share")).value_or(50);
    cloud.proxy = section.text("proxy");
    if (cloud.proxy == "none") cloud.proxy.clear();
    cloud.wait_for_clock_ms = section.duration("wait_for_clock");
    for (const char* key : {"certificate", "private_key", "ca"}) {
      const Value* value = section.find(key);
      if (value == nullptr) continue;
      const std::string file = absolute(value->scalar);
      if (file.starts_with("pkcs11:") || value->scalar.starts_with("pkcs11:")) {
        add(value->place, fmt::format("cloud.{}", key), "keys in a token are not available yet");
      } else if (::access(file.c_str(), R_OK) != 0) {
        add(value->place, fmt::format("cloud.{}", key), fmt::format("{} cannot be read", file));
      }
    }
    return cloud;
  }

  std::string read_secret(const Section& section, const char* key) {
    const Value* value = section.find(key);
    if (value == nullptr) return {};
    if (value->is_scalar()) return value->scalar;
    const Value* file = value->find("file");
    const Value* credential = value->find("credential");
    const std::string path = fmt::format("cloud.{}", key);
    if (file != nullptr) return read_line(absolute(file->scalar), file->place, path + ".file");
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
    return read_line(std::string(folder) + "/" + credential->scalar, credential->place,
                     path + ".credential");
  }

  std::string read_line(const std::string& file, const Place& place, std::string path) {
    std::ifstream input(file);
    std::string line;
    if (!std::getline(input, line)) {
      add(place, std::move(path), fmt::format("{} cannot be read or is empty", file));
    }
    return line;
  }

  std::string required(const Section& item, const char* key, const char* path) {
    std::string text = item.text(key);
    if (text.empty() && !item.has(key)) {
      add(item.place(), fmt::format("{}.{}", path, key), "is missing");
    }
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

}  // namespace tg::config
