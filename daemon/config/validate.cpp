#include "daemon/config/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/config/build.h"
#include "daemon/config/listeners.h"
#include "daemon/config/units.h"

namespace tg::config {
namespace {

class Validator {
 public:
  Validator(const Config& config, const Value& tree, std::vector<Problem>& errors,
            std::vector<Problem>& warnings)
      : config_(config), tree_(tree), errors_(errors), warnings_(warnings) {}

  void run() {
    unique_names("broker.listeners", "broker", "listeners");
    for (const char* list : {"routes", "processors", "exports", "uplinks"}) {
      unique_names(list, list, nullptr);
    }
    check_listeners(config_, tree_, errors_, warnings_);
    check_streams();
    check_routes();
    check_processors();
    check_exports();
    check_uplinks();
    check_bridge();
    check_report("health", config_.health.stream, config_.health.topic);
    check_report("defender", config_.defender.stream, config_.defender.topic);
    check_admin();
    if (const Value* canary = tree_.find("canary")) {
      check_topic("canary", config_.canary.topic, canary->place);
    }
  }

 private:
  // The item of a list in the file, or the list, or the file: the best place there is.
  [[nodiscard]] Place place(const char* list, std::size_t index, const char* key) const {
    const Value* items = tree_.find(list);
    if (items == nullptr) return tree_.place;
    if (index >= items->list.size()) return items->place;
    const Value& item = items->list[index];
    const Value* value = item.find(key);
    return value != nullptr ? value->place : item.place;
  }

  void unique_names(const char* path, const char* section, const char* below) {
    const Value* items = tree_.find(section);
    if (items != nullptr && below != nullptr) items = items->find(below);
    if (items == nullptr) return;
    std::set<std::string> seen;
    for (const auto& item : items->list) {
      const Value* name = item.find("name");
      if (name != nullptr && !seen.insert(name->scalar).second) {
        add(name->place, path, fmt::format("the name {} stands here twice", name->scalar));
      }
    }
  }

  void must_be_stream(const std::string& name, const Place& where, const std::string& path) {
    if (name.empty()) return;  // missing: said already
    std::vector<std::string_view> known;
    for (const auto& stream : config_.streams) {
      if (stream.name == name) return;
      known.push_back(stream.name);
    }
    add(where, path,
        fmt::format("there is no stream {}{}", name,
                    known.empty() ? "; streams has none" : nearest(name, known)));
  }

  static std::optional<std::string> syntax_problem(std::string_view filter) {
    if (filter.empty()) return "a topic filter is empty";
    std::string_view rest = filter;
    for (bool last = false; !last;) {
      const std::size_t slash = rest.find('/');
      last = slash == std::string_view::npos;
      const std::string_view level = rest.substr(0, slash);
      rest = last ? std::string_view{} : rest.substr(slash + 1);
      if (level.find_first_of("+#") == std::string_view::npos) continue;
      if (level.size() != 1 || (level == "#" && !last)) {
        return fmt::format(
            "\"{}\" is not a topic filter: + stands for a whole level, # only at the "
            "end",
            filter);
      }
    }
    return std::nullopt;
  }

  // Of a route.
  static std::optional<std::string> filter_problem(std::string_view filter) {
    if (auto problem = syntax_problem(filter)) return problem;
    const bool reserved = filter.starts_with('$') && !filter.starts_with("$aws/events/");
    if (reserved || filter.starts_with("cmd/") || filter == "cmd") {
      return fmt::format("\"{}\" begins with a {} topic, which is not telemetry", filter,
                         reserved ? "reserved" : "command");
    }
    return std::nullopt;
  }

  void check_streams() {
    const Value* streams = tree_.find("streams");
    for (const auto& stream : config_.streams) {
      const auto problem = [&stream]() -> const char* {
        if (stream.name.starts_with('$')) return "a name that begins with $ is the gateway's own";
        const bool is_plain = std::all_of(stream.name.begin(), stream.name.end(), [](char c) {
          return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_' ||
                 c == '.';
        });
        if (is_plain && stream.name.size() <= 64) return nullptr;
        return "a name has letters, digits, -, _ and . only, at most 64 of them";
      }();
      if (problem == nullptr) continue;
      add(streams->find(stream.name)->place, fmt::format("streams.{}", stream.name), problem);
    }
  }

  void check_routes() {
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      const auto& route = config_.routes[i];
      must_be_stream(route.to, place("routes", i, "to"), fmt::format("routes[{}].to", i));
      must_be_stream(route.on_error, place("routes", i, "on_error"),
                     fmt::format("routes[{}].on_error.to", i));
      if (!route.on_error.empty() && route.on_error == route.to) {
        add(place("routes", i, "on_error"), fmt::format("routes[{}].on_error.to", i),
            "is the stream of the route itself");
      }
      for (const auto& filter : route.from) {
        if (auto problem = filter_problem(filter)) {
          add(place("routes", i, "from"), fmt::format("routes[{}].from", i), std::move(*problem));
        } else if (filter.starts_with('+') || filter.starts_with('#')) {
          warnings_.push_back(
              {place("routes", i, "from"), fmt::format("routes[{}].from", i),
               fmt::format("\"{}\": a leading wildcard matches neither $… nor cmd/…", filter)});
        }
      }
    }
  }

  void check_processors() {
    for (std::size_t i = 0; i < config_.processors.size(); ++i) {
      const auto& processor = config_.processors[i];
      if (processor.input.empty() && !is_fed(processor.name)) {
        add(place("processors", i, "input"), fmt::format("processors[{}].input", i),
            "is missing; a sink may do without, when an export names it: to: NAME");
      }
      must_be_stream(processor.input, place("processors", i, "input"),
                     fmt::format("processors[{}].input", i));
      must_be_stream(processor.output, place("processors", i, "output"),
                     fmt::format("processors[{}].output", i));
      check_topic(fmt::format("processors[{}].output", i), processor.output_topic,
                  place("processors", i, "output"));
      std::set<std::string> visited;
      if (reaches(processor.output, processor.input, visited)) {
        add(place("processors", i, "output"), fmt::format("processors[{}].output", i),
            fmt::format("a cycle: what processor {} writes to {} comes back to {}", processor.name,
                        processor.output, processor.input));
      }
    }
  }

  [[nodiscard]] bool reaches(const std::string& from, const std::string& to,
                             std::set<std::string>& visited) const {
    if (from == to && !to.empty()) return true;
    if (!visited.insert(from).second) return false;
    return std::any_of(config_.processors.begin(), config_.processors.end(), [&](const auto& p) {
      return p.input == from && reaches(p.output, to, visited);
    });
  }

  [[nodiscard]] bool is_fed(const std::string& sink) const {
    return std::any_of(config_.exports.begin(), config_.exports.end(),
                       [&sink](const auto& item) { return item.to == sink; });
  }

  // The instance that the export makes has the export's name, and nothing of an uplink's settings.
  void check_export_to_sink(std::size_t i, const Processor& sink) {
    const auto& item = config_.exports[i];
    const auto path = [i](const std::string& key) { return fmt::format("exports[{}].{}", i, key); };
    if (!sink.input.empty() || !sink.output.empty() || !sink.output_topic.empty()) {
      add(place("exports", i, "to"), path("to"),
          fmt::format(
              "processor {} has an {} of its own; a sink that exports name has neither input "
              "nor output",
              sink.name, sink.input.empty() ? "output" : "input"));
    }
    for (const auto& other : config_.processors) {
      if (other.name != item.name || &other == &sink) continue;
      add(place("exports", i, "name"), path("name"),
          fmt::format("there is a processor {}, too", item.name));
    }
    for (const auto& uplink : config_.uplinks) {
      if (uplink.name != item.to) continue;
      add(place("exports", i, "to"), path("to"),
          fmt::format("a processor and an uplink are named {}", item.to));
    }
    const std::set<std::string> known{"name", "stream", "to", "start"};
    const Value& written = tree_.find("exports")->list.at(i);
    for (const auto& [key, value] : written.map) {
      if (!known.contains(key)) add(value.place, path(key), "has no meaning for a sink");
    }
  }

  void check_exports() {
    for (std::size_t i = 0; i < config_.exports.size(); ++i) {
      const auto& item = config_.exports[i];
      const auto path = [i](const char* key) { return fmt::format("exports[{}].{}", i, key); };
      must_be_stream(item.stream, place("exports", i, "stream"), path("stream"));
      if (const Processor* sink = find_sink(config_, item.to)) {
        check_export_to_sink(i, *sink);
        continue;
      }
      const Cloud* uplink = must_be_uplink(item.to, place("exports", i, "to"), path("to"));
      if (item.topic.find("{topic}") != std::string::npos && item.format != "raw") {
        add(place("exports", i, "topic"), path("topic"),
            "{topic} needs format: raw, where each record is a publish of its own");
      }
      if (item.topic.find_first_of("+#") != std::string::npos) {
        add(place("exports", i, "topic"), path("topic"),
            fmt::format("\"{}\" has a wildcard; a publish needs a topic", item.topic));
      }
      if (uplink != nullptr) check_export_topic(i, *uplink);
      if (item.format == "raw" && uplink != nullptr && uplink->protocol == 4) {
        warnings_.push_back({place("exports", i, "format"), path("format"),
                             "raw at protocol 3.1.1 carries no key (gateway, stream, epoch, "
                             "sequence): duplicates cannot be recognised by it"});
      }
    }
  }

  // What {topic} stands for is known when a record is sent; here it is one level of one byte.
  void check_export_topic(std::size_t i, const Cloud& uplink) {
    std::string topic = config_.exports[i].topic;
    for (std::size_t at = 0; (at = topic.find("{topic}", at)) != std::string::npos; ++at) {
      topic.replace(at, std::string_view("{topic}").size(), "t");
    }
    if (const auto problem = topic_problem(topic, uplink.publish_limits)) {
      add(place("exports", i, "topic"), fmt::format("exports[{}].topic", i),
          fmt::format("{} (limits of {})", *problem, uplink.name));
    }
  }

  const Cloud* must_be_uplink(const std::string& name, const Place& where,
                              const std::string& path) {
    std::string all;
    for (const auto& uplink : config_.uplinks) {
      if (uplink.name == name) return &uplink;
      all += (all.empty() ? "" : ", ") + uplink.name;
    }
    if (name.empty()) return nullptr;  // missing: said already
    add(where, path,
        all.empty() ? "there is no section cloud in the file"
                    : fmt::format("there is no uplink {}; there is: {}", name, all));
    return nullptr;
  }

  void check_uplinks() {
    if (config_.uplinks.empty()) return;
    const Value* cloud = tree_.find("cloud");
    const Value* list = tree_.find("uplinks");
    const Value* gateway = tree_.find("gateway");
    if (gateway == nullptr || gateway->find("id") == nullptr) {
      add((cloud != nullptr ? cloud : list)->place, "gateway.id",
          "is missing; it is required with an uplink");
    }
    for (std::size_t i = 0; i < config_.uplinks.size(); ++i) {
      const auto [section, path] = uplink_section(tree_, i);
      if (section != cloud && cloud != nullptr && config_.uplinks[i].name == "cloud") {
        add(list->place, "uplinks", "the name cloud is that of the section cloud");
      }
      check_uplink(config_.uplinks[i], *section, path);
    }
  }

  // What could not be opened at the start.
  void check_admin() {
    // What the kernel takes as the name of a socket.
    if (config_.admin_socket.size() > 107) {
      add(find_path(tree_, "admin.socket")->place, "admin.socket",
          fmt::format("\"{}\" is longer than the 107 bytes a socket's name may have",
                      config_.admin_socket));
    }
    if (config_.admin_tls) check_admin_tls(*config_.admin_tls);
    const std::string& http = config_.admin_http;
    if (http.empty()) return;
    const Place& where = find_path(tree_, "admin.http")->place;
    if (!is_numeric_address(http)) {
      add(where, "admin.http",
          fmt::format("\"{}\" is not ADDRESS:PORT; write off, or 127.0.0.1:9464, say", http));
    } else if (is_loopback(http)) {
      return;
    } else if (!config_.admin_tls) {
      add(where, "admin.http",
          fmt::format("\"{}\" is not a loopback address, and there is no TLS; write admin.tls with "
                      "certificate and private_key, or 127.0.0.1:9464, say",
                      http));
    } else if (config_.admin_tokens.empty()) {
      warnings_.push_back({where, "admin.http",
                           fmt::format("\"{}\" answers no more than /healthz and /readyz: there is "
                                       "no admin.tokens, and off loopback all else needs a token",
                                       http)});
    }
  }

  void check_admin_tls(const AdminTls& tls) {
    const Value& section = *find_path(tree_, "admin.tls");
    for (const auto& [key, file] :
         {std::pair{"certificate", tls.certificate}, std::pair{"private_key", tls.private_key}}) {
      if (!file.empty()) continue;
      add(section.place, fmt::format("admin.tls.{}", key),
          "is missing; certificate and private_key belong together");
    }
  }

  // What the gateway tells of itself: into a stream that is there, on a topic that is one.
  void check_report(const std::string& name, const std::string& stream, const std::string& topic) {
    const Value* section = tree_.find(name);
    if (section == nullptr || !section->is_map()) return;
    const Value* named = section->find("stream");
    if (named != nullptr) must_be_stream(stream, named->place, name + ".stream");
    check_topic(name, topic, section->place);
  }

  void check_topic(const std::string& name, const std::string& topic, const Place& where) {
    if (topic.find_first_of("+#") == std::string::npos) return;
    add(where, name + ".topic", "has a wildcard; a publish needs a topic");
  }

  static std::vector<std::string_view> wildcards(std::string_view filter) {
    std::vector<std::string_view> found;
    for (std::size_t i = 0; i < filter.size(); ++i) {
      if (filter[i] == '+' || filter[i] == '#') found.push_back(filter.substr(i, 1));
    }
    return found;
  }

  void check_bridge() {
    std::map<std::string, std::uint64_t> subscriptions;
    for (std::size_t i = 0; i < config_.bridge.size(); ++i) {
      const auto& rule = config_.bridge[i];
      const auto path = [i](const char* key) { return fmt::format("bridge[{}].{}", i, key); };
      for (const auto& [key, filter] :
           {std::pair{"local", rule.local}, std::pair{"cloud", rule.cloud}}) {
        if (auto problem = syntax_problem(filter)) {
          add(place("bridge", i, key), path(key), std::move(*problem));
        }
      }
      if (wildcards(rule.local) != wildcards(rule.cloud)) {
        add(place("bridge", i, "cloud"), path("cloud"),
            fmt::format("\"{}\" and \"{}\" must have the same wildcards in the same order",
                        rule.local, rule.cloud));
      }
      const Cloud* uplink = must_be_uplink(rule.uplink.empty() ? "cloud" : rule.uplink,
                                           place("bridge", i, "uplink"), path("uplink"));
      const auto problem =
          uplink != nullptr ? topic_problem(rule.cloud, uplink->publish_limits) : std::nullopt;
      if (problem) {
        add(place("bridge", i, "cloud"), path("cloud"),
            fmt::format("{} (limits of {})", *problem, uplink->name));
      }
      if (uplink != nullptr && !rule.is_up &&
          ++subscriptions[uplink->name] > uplink->subscriptions) {
        add(place("bridge", i, "cloud"), path("cloud"),
            fmt::format("one subscription more than the {} of limits.subscriptions of {}",
                        uplink->subscriptions, uplink->name));
      }
    }
  }

  void check_uplink(const Cloud& uplink, const Value& section, const std::string& path) {
    const Value* endpoints = section.find("endpoints");
    for (const auto& endpoint : uplink.endpoints) {
      check_endpoint(endpoint.url, endpoints->place, path + ".endpoints");
    }
    if (uplink.backoff_min_ms > uplink.backoff_max_ms) {
      add(section.place, path + ".backoff", "min is larger than max");
    }
    if (uplink.certificate.empty() != uplink.private_key.empty()) {
      add(section.place, path + ".certificate", "certificate and private_key belong together");
    }
    const std::size_t colon = uplink.proxy.rfind(':');
    const bool sound = uplink.proxy.starts_with("http://") && colon > 7 &&
                       parse_integer(uplink.proxy.substr(colon + 1)).value_or(0) > 0;
    if (!uplink.proxy.empty() && !sound) {
      add(section.find("proxy")->place, path + ".proxy",
          fmt::format("\"{}\" is not none or http://HOST:PORT", uplink.proxy));
    }
  }

  void check_endpoint(const std::string& url, const Place& where, const std::string& path) {
    std::size_t scheme = 0;
    for (const std::string_view known : {"mqtts://", "mqtt://", "https://"}) {
      if (url.starts_with(known)) scheme = known.size();
    }
    const std::size_t colon = url.rfind(':');
    const bool has_port = colon != std::string::npos && colon >= scheme && url.back() != ']';
    const auto port =
        has_port ? parse_integer(url.substr(colon + 1)) : std::optional<std::uint64_t>(1);
    const bool sound = scheme != 0 && url.size() > scheme && colon != scheme && port && *port > 0 &&
                       *port <= 65'535 && url.find('/', scheme) == std::string::npos;
    if (!sound) {
      add(where, path,
          fmt::format("\"{}\" is not mqtts://HOST:PORT, mqtt://HOST:PORT or https://HOST:PORT",
                      url));
    }
  }

  void add(const Place& where, std::string path, std::string message) {
    errors_.push_back({where, std::move(path), std::move(message)});
  }

  const Config& config_;
  const Value& tree_;
  std::vector<Problem>& errors_;
  std::vector<Problem>& warnings_;
};

}  // namespace

UplinkSection uplink_section(const Value& tree, std::size_t uplink) {
  if (const Value* cloud = tree.find("cloud")) {
    if (uplink == 0) return {cloud, "cloud"};
    --uplink;
  }
  return {&tree.find("uplinks")->list.at(uplink), fmt::format("uplinks[{}]", uplink)};
}

void validate(const Config& config, const Value& tree, std::vector<Problem>& errors,
              std::vector<Problem>& warnings) {
  Validator(config, tree, errors, warnings).run();
}

}  // namespace tg::config
