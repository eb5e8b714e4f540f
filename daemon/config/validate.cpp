#include "daemon/config/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>

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
    for (const char* list : {"routes", "processors", "exports"}) unique_names(list, list, nullptr);
    check_listeners(config_, tree_, errors_, warnings_);
    check_routes();
    check_processors();
    check_exports();
    check_cloud();
    check_health();
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
    std::string_view best;
    for (const auto& stream : config_.streams) {
      if (stream.name == name) return;
      if (best.empty() || distance(name, stream.name) < distance(name, best)) best = stream.name;
    }
    add(where, path,
        best.empty() ? fmt::format("there is no stream {}; streams has none", name)
                     : fmt::format("there is no stream {}; did you mean {}?", name, best));
  }

  static std::optional<std::string> filter_problem(std::string_view filter) {
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
    const bool reserved = filter.starts_with('$') && !filter.starts_with("$aws/events/");
    if (reserved || filter.starts_with("cmd/") || filter == "cmd") {
      return fmt::format("\"{}\" begins with a {} topic, which is not telemetry", filter,
                         reserved ? "reserved" : "command");
    }
    return std::nullopt;
  }

  void check_routes() {
    for (std::size_t i = 0; i < config_.routes.size(); ++i) {
      const auto& route = config_.routes[i];
      must_be_stream(route.to, place("routes", i, "to"), fmt::format("routes[{}].to", i));
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
      must_be_stream(processor.input, place("processors", i, "input"),
                     fmt::format("processors[{}].input", i));
      must_be_stream(processor.output, place("processors", i, "output"),
                     fmt::format("processors[{}].output", i));
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

  void check_exports() {
    for (std::size_t i = 0; i < config_.exports.size(); ++i) {
      const auto& item = config_.exports[i];
      const auto path = [i](const char* key) { return fmt::format("exports[{}].{}", i, key); };
      must_be_stream(item.stream, place("exports", i, "stream"), path("stream"));
      if (!item.to.empty() && item.to != "cloud") {
        add(place("exports", i, "to"), path("to"),
            fmt::format("there is no uplink {}; this version knows cloud", item.to));
      } else if (!config_.cloud) {
        add(place("exports", i, "to"), path("to"), "there is no section cloud in the file");
      }
      if (item.topic.find("{topic}") != std::string::npos && item.format != "raw") {
        add(place("exports", i, "topic"), path("topic"),
            "{topic} needs format: raw, where each record is a publish of its own");
      }
      if (item.topic.find_first_of("+#") != std::string::npos) {
        add(place("exports", i, "topic"), path("topic"),
            fmt::format("\"{}\" has a wildcard; a publish needs a topic", item.topic));
      }
      if (item.format == "raw" && config_.cloud && config_.cloud->protocol == 4) {
        warnings_.push_back({place("exports", i, "format"), path("format"),
                             "raw at protocol 3.1.1 carries no key (gateway, stream, epoch, "
                             "sequence): duplicates cannot be recognised by it"});
      }
    }
  }

  void check_cloud() {
    if (!config_.cloud) return;
    const Value* section = tree_.find("cloud");
    const Value* gateway = tree_.find("gateway");
    if (gateway == nullptr || gateway->find("id") == nullptr) {
      add(section->place, "gateway.id", "is missing; it is required with an uplink");
    }
    const Value* endpoints = section->find("endpoints");
    for (const auto& url : config_.cloud->endpoints) check_endpoint(url, endpoints->place);
    if (config_.cloud->backoff_min_ms > config_.cloud->backoff_max_ms) {
      add(section->place, "cloud.backoff", "min is larger than max");
    }
    if (config_.cloud->certificate.empty() != config_.cloud->private_key.empty()) {
      add(section->place, "cloud.certificate", "certificate and private_key belong together");
    }
  }

  void check_health() {
    const Value* section = tree_.find("health");
    if (config_.canary.topic.find_first_of("+#") != std::string::npos) {
      add(tree_.find("canary")->place, "canary.topic", "has a wildcard; a publish needs a topic");
    }
    if (section == nullptr || !section->is_map()) return;
    const Value* stream = section->find("stream");
    if (stream != nullptr) must_be_stream(config_.health.stream, stream->place, "health.stream");
    if (config_.health.topic.find_first_of("+#") != std::string::npos) {
      add(section->place, "health.topic", "has a wildcard; a publish needs a topic");
    }
  }

  void check_endpoint(const std::string& url, const Place& where) {
    if (url.starts_with("https://")) {
      warnings_.push_back({where, "cloud.endpoints", url + " is not available yet and is skipped"});
      return;
    }
    const std::size_t scheme = url.starts_with("mqtts://") ? 8 : url.starts_with("mqtt://") ? 7 : 0;
    const std::size_t colon = url.rfind(':');
    const bool has_port = colon != std::string::npos && colon >= scheme && url.back() != ']';
    const auto port =
        has_port ? parse_integer(url.substr(colon + 1)) : std::optional<std::uint64_t>(1);
    const bool sound = scheme != 0 && url.size() > scheme && colon != scheme && port && *port > 0 &&
                       *port <= 65'535 && url.find('/', scheme) == std::string::npos;
    if (!sound) {
      add(where, "cloud.endpoints",
          fmt::format("\"{}\" is not mqtts://HOST:PORT or mqtt://HOST:PORT", url));
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

void validate(const Config& config, const Value& tree, std::vector<Problem>& errors,
              std::vector<Problem>& warnings) {
  Validator(config, tree, errors, warnings).run();
}

}  // namespace tg::config
