// aggregate: count, mean, minimum and maximum of numeric payloads in tumbling windows, by topic.
//
//   config:
//     window: 30m                            length; required; ms s m h d
//     group_by: topic                        [topic] topic | publisher | none
//     functions: [mean, min, max, count]     [all four]
//     field: value                           [value] member of a JSON object; a bare number counts
//     as it is output_topic: "{topic}/rollup"         ["{topic}/rollup"] {topic} = the group grace:
//     2s                              [2s] how long after its end a window waits for records
//     max_groups: 10000                      [10000]
//
// A record belongs to the window of its receive time. A window ends when a record of a later window
// of its group comes, or `grace` after its end. Output, one record a window and group:
//   {"topic":"dt/a/t","window_start":…,"window_end":…,"count":3,"mean":2.0,"min":1.0,"max":3.0}
// Payloads without a number are passed by; records of a window that has ended are counted as late.
#include <cmath>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tidegate/plugin.hpp>

#include "plugins/aggregate/window.h"

namespace {

using aggregate::Window;
using nlohmann::json;

constexpr const char* kSchema = R"({
  "type": "object", "required": ["window"], "additionalProperties": false,
  "properties": {
    "window": {"type": "string"}, "grace": {"type": "string"}, "field": {"type": "string"},
    "group_by": {"enum": ["topic", "publisher", "none"]},
    "functions": {"type": "array", "items": {"enum": ["mean", "min", "max", "count"]}},
    "output_topic": {"type": "string"}, "max_groups": {"type": "integer", "minimum": 1}
  }})";

std::int64_t duration_ms(const json& value, const char* key) {
  const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
  std::size_t digits = 0;
  std::int64_t number = 0;
  try {
    number = std::stoll(text, &digits);
  } catch (const std::exception&) {
    digits = 0;
  }
  const std::string unit = text.substr(digits);
  const std::int64_t factor = unit == "ms"  ? 1
                              : unit == "s" ? 1000
                              : unit == "m" ? 60'000
                              : unit == "h" ? 3'600'000
                              : unit == "d" ? 86'400'000
                                            : 0;
  if (digits == 0 || factor == 0 || number < 0 || number > 36'500) {
    throw std::invalid_argument("config." + std::string(key) + ": \"" + text +
                                "\" is not a duration such as 500ms, 30s, 30m or 1h");
  }
  return number * factor;
}

class Aggregate : public tidegate::Processor {
 public:
  Aggregate(tidegate::Host host, std::string_view config) : Processor(host) {
    configure(json::parse(config));
    host.each_state([this](std::string_view group, std::string_view text) {
      if (const auto window = Window::load(text)) windows_[std::string(group)] = *window;
    });
    arm_timer();
  }

  void process(std::span<const tidegate_record> records,
               std::span<std::uint32_t> verdicts) override {
    changed_.clear();
    for (std::size_t i = 0; i < records.size(); ++i) {
      if (!add(records[i])) verdicts[i] = TIDEGATE_DROP;
    }
    save();
  }

  void timer(std::int64_t now_ms) override {
    changed_.clear();
    for (auto& [group, window] : windows_) {
      if (window.count > 0 && window.start_ms + length_ms_ + grace_ms_ <= now_ms) {
        close(group, window);
      }
    }
    save();
  }

 private:
  void configure(const json& config) {
    for (const auto& [key, value] : config.items()) {
      static const std::set<std::string> kKnown = {
          "window", "grace", "field", "group_by", "functions", "output_topic", "max_groups"};
      if (!kKnown.contains(key)) throw std::invalid_argument("config." + key + ": unknown key");
    }
    if (!config.contains("window")) throw std::invalid_argument("config.window is missing");
    length_ms_ = duration_ms(config["window"], "window");
    if (length_ms_ == 0) throw std::invalid_argument("config.window must be longer than 0");
    if (config.contains("grace")) grace_ms_ = duration_ms(config["grace"], "grace");
    field_ = config.value("field", "value");
    group_by_ = config.value("group_by", "topic");
    if (group_by_ != "topic" && group_by_ != "publisher" && group_by_ != "none") {
      throw std::invalid_argument("config.group_by: \"" + group_by_ +
                                  "\" is not topic, publisher or none");
    }
    output_topic_ = config.value("output_topic", "{topic}/rollup");
    max_groups_ = config.value("max_groups", std::size_t{10'000});
    functions_ = config.value("functions", functions_);
    for (const auto& function : functions_) {
      if (function != "mean" && function != "min" && function != "max" && function != "count") {
        throw std::invalid_argument("config.functions: \"" + function +
                                    "\" is not mean, min, max or count");
      }
    }
  }

  // False when the record does not count.
  bool add(const tidegate_record& record) {
    const auto value = number_of(tidegate::view(record.payload));
    if (!value) return false;
    const std::int64_t start = aggregate::window_start(record.time_ms, length_ms_);
    const std::string group(group_by_ == "topic"       ? tidegate::view(record.topic)
                            : group_by_ == "publisher" ? tidegate::view(record.publisher)
                                                       : std::string_view("all"));
    const auto found = windows_.find(group);
    if (found == windows_.end() && windows_.size() >= max_groups_ && !make_room(start)) {
      host().log(TIDEGATE_WARNING,
                 "more than max_groups groups at once: " + group + " is left out");
      return false;
    }
    Window& window = windows_[group];
    // A window with this start and no count was closed by the timer.
    const bool closed = found != windows_.end() && start == window.start_ms && window.count == 0;
    if (start < window.start_ms || closed) {
      host().log(TIDEGATE_INFO, "a late record of " + group + " is left out");
      return false;
    }
    if (start > window.start_ms) {
      if (window.count > 0) close(group, window);
      window = Window{};
      window.start_ms = start;
    }
    window.add(*value);
    changed_.insert(group);
    return true;
  }

  std::optional<double> number_of(std::string_view payload) const {
    const auto parsed = json::parse(payload, nullptr, false);
    const json* number = &parsed;
    if (parsed.is_object()) {
      const auto member = parsed.find(field_);
      if (member == parsed.end()) return std::nullopt;
      number = &*member;
    }
    if (!number->is_number()) return std::nullopt;
    const double value = number->get<double>();
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }

  // Forgets groups whose last window was closed and lies behind.
  bool make_room(std::int64_t start) {
    for (auto at = windows_.begin(); at != windows_.end();) {
      if (at->second.count == 0 && at->second.start_ms < start) {
        host().put(at->first, "");
        changed_.erase(at->first);
        at = windows_.erase(at);
      } else {
        ++at;
      }
    }
    return windows_.size() < max_groups_;
  }

  void close(const std::string& group, Window& window) {
    json out = {{"topic", group},
                {"window_start", window.start_ms},
                {"window_end", window.start_ms + length_ms_}};
    for (const auto& function : functions_) {
      if (function == "count") out["count"] = window.count;
      if (function == "mean") out["mean"] = window.mean;
      if (function == "min") out["min"] = window.min;
      if (function == "max") out["max"] = window.max;
    }
    std::string topic = output_topic_;
    if (const auto at = topic.find("{topic}"); at != std::string::npos) topic.replace(at, 7, group);
    if (host().emit(topic, out.dump(-1, ' ', false, json::error_handler_t::replace)) !=
        TIDEGATE_OK) {
      throw std::runtime_error("the result of " + group + " was not taken");
    }
    window.count = 0;  // closed; the start stays, so that late records are known
    changed_.insert(group);
  }

  void save() {
    for (const auto& group : changed_) host().put(group, windows_[group].store());
    arm_timer();
  }

  void arm_timer() {
    std::int64_t next = 0;
    for (const auto& [group, window] : windows_) {
      if (window.count == 0) continue;
      const std::int64_t end = window.start_ms + length_ms_ + grace_ms_;
      if (next == 0 || end < next) next = end;
    }
    host().set_timer(next);
  }

  std::int64_t length_ms_ = 0;
  std::int64_t grace_ms_ = 2000;
  std::string field_;
  std::string group_by_;
  std::string output_topic_;
  std::size_t max_groups_ = 0;
  std::vector<std::string> functions_ = {"mean", "min", "max", "count"};
  std::map<std::string, Window> windows_;  // the open, or the last closed one (count 0) of a group
  std::set<std::string> changed_;          // groups of the call in hand
};

}  // namespace

TIDEGATE_PROCESSOR_PLUGIN(Aggregate, "aggregate", "1.0", kSchema)
