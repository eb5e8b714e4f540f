#include "daemon/config/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "daemon/config/table.h"
#include "daemon/config/units.h"

namespace tg::config {
namespace {

// Child keys of a section as the table lists them, without the path before.
std::vector<std::string_view> children(std::string_view pattern) {
  const std::string prefix = pattern.empty() ? "" : std::string(pattern) + ".";
  std::vector<std::string_view> names;
  for (const auto& key : keys()) {
    if (!key.path.starts_with(prefix)) continue;
    const std::string_view rest = key.path.substr(prefix.size());
    if (rest.find('.') == std::string_view::npos) names.push_back(rest);
  }
  return names;
}

const char* kind_name(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      return "nothing";
    case Value::Kind::kScalar:
      return "a value";
    case Value::Kind::kList:
      return "a list";
    case Value::Kind::kMap:
      return "a map";
  }
  return "?";
}

class Checker {
 public:
  Checker(std::vector<Problem>& errors, std::vector<std::string>& later)
      : errors_(errors), later_(later) {}

  void section(const Value& value, std::string_view pattern, const std::string& path) {
    const auto known = children(pattern);
    for (const auto& [name, child] : value.map) {
      const std::string child_pattern = pattern.empty() ? name : std::string(pattern) + "." + name;
      const std::string child_path = path.empty() ? name : path + "." + name;
      const Key* key = find_key(child_pattern);
      if (key == nullptr) {
        add(child, child_path, "unknown key" + nearest(name, known));
      } else {
        visit(child, *key, child_path);
      }
    }
  }

 private:
  void visit(const Value& value, const Key& key, const std::string& path) {
    if (!key.available) later_.push_back(path);
    if (value.kind == Value::Kind::kNull && key.type != Type::kFree) {
      if (key.type != Type::kNamed && key.type != Type::kList) add(value, path, "has no value");
      return;
    }
    switch (key.type) {
      case Type::kSection:
        return expect_map(value, path) ? section(value, key.path, path) : void();
      case Type::kNamed:
        return expect_map(value, path) ? named(value, key, path) : void();
      case Type::kList:
        return list(value, key, path);
      case Type::kFree:
        return;
      case Type::kStrings:
        return strings(value, path);
      case Type::kSecret:
        return secret(value, path);
      case Type::kEndpoints:
        return endpoints(value, path);
      case Type::kOutput:
        return output(value, path);
      default:
        if (!value.is_scalar()) {
          add(value, path, fmt::format("must be one value, not {}", kind_name(value)));
        } else if (const auto problem = scalar(value.scalar, key)) {
          add(value, path, *problem);
        }
    }
  }

  void named(const Value& value, const Key& key, const std::string& path) {
    const Key* item = find_key(std::string(key.path) + ".*");
    for (const auto& [name, child] : value.map) {
      if (name.empty()) add(child, path, "a name is empty");
      // `telemetry:` without anything stands for all defaults.
      if (child.kind == Value::Kind::kNull && item->type == Type::kSection) continue;
      visit(child, *item, path + "." + name);
    }
  }

  void list(const Value& value, const Key& key, const std::string& path) {
    if (!value.is_list()) {
      add(value, path, fmt::format("must be a list, not {}", kind_name(value)));
      return;
    }
    for (std::size_t i = 0; i < value.list.size(); ++i) {
      const std::string item_path = fmt::format("{}[{}]", path, i);
      if (expect_map(value.list[i], item_path)) {
        section(value.list[i], std::string(key.path) + "[]", item_path);
      }
    }
  }

  void strings(const Value& value, const std::string& path) {
    if (value.is_scalar()) return;
    const bool sound = value.is_list() && std::all_of(value.list.begin(), value.list.end(),
                                                      [](const Value& v) { return v.is_scalar(); });
    if (!sound) add(value, path, "must be a string or a list of strings");
  }

  void secret(const Value& value, const std::string& path) {
    if (value.is_scalar()) return;
    const bool sound = value.is_map() && value.map.size() == 1 && value.map[0].value.is_scalar() &&
                       (value.map[0].key == "file" || value.map[0].key == "credential");
    if (!sound) add(value, path, "must be a string, {file: PATH} or {credential: NAME}");
  }

  void endpoints(const Value& value, const std::string& path) {
    if (!value.is_list() || value.list.empty()) {
      add(value, path, "must be a list of URLs with at least one entry");
      return;
    }
    for (const auto& item : value.list) {
      const Value* url = item.is_map() ? item.find("url") : &item;
      if (url == nullptr || !url->is_scalar()) add(item, path, "each entry is a URL or {url: …}");
      for (const auto& [key, option] : item.map) {
        if (key == "url") continue;
        if (key != "expensive") {
          add(option, path, fmt::format("unknown key {}; known here: url, expensive", key));
        } else if (option.scalar != "true" && option.scalar != "false") {
          add(option, path, fmt::format("expensive: \"{}\" is not true or false", option.scalar));
        }
      }
    }
  }

  void output(const Value& value, const std::string& path) {
    if (value.is_scalar()) return;
    const Value* topic = value.find("topic");
    if (topic == nullptr || value.map.size() != 1 || !topic->is_scalar() || topic->scalar.empty()) {
      add(value, path, "must be a stream or {topic: TOPIC}");
    } else {
      later_.push_back(path + " (its processor does not run)");
    }
  }

  bool expect_map(const Value& value, const std::string& path) {
    if (value.is_map()) return true;
    add(value, path, fmt::format("must be a map of keys, not {}", kind_name(value)));
    return false;
  }

  static std::optional<std::string> in_range(std::optional<std::uint64_t> number,
                                             const std::string& text, const Key& key,
                                             const char* form) {
    if (!number) return fmt::format("\"{}\" is not {}", text, form);
    if (*number >= key.min && *number <= key.max) return std::nullopt;
    const auto written = [&key](std::uint64_t value) {
      if (key.type == Type::kDuration) return duration_text(value);
      return key.type == Type::kSize ? size_text(value) : std::to_string(value);
    };
    if (key.max == UINT64_MAX) return fmt::format("\"{}\" is below {}", text, written(key.min));
    return fmt::format("\"{}\" is not between {} and {}", text, written(key.min), written(key.max));
  }

  static std::optional<std::string> scalar(const std::string& text, const Key& key) {
    switch (key.type) {
      case Type::kBool:
        if (text == "true" || text == "false") return std::nullopt;
        return fmt::format("\"{}\" is not true or false", text);
      case Type::kInteger:
        return in_range(parse_integer(text), text, key, "a whole number");
      case Type::kSize:
        return in_range(parse_size(text), text, key, "a size such as 512KiB, 64MiB or 1GiB");
      case Type::kSizeOrShare:
        if (parse_percent(text)) return std::nullopt;
        return in_range(parse_size(text), text, key, "a size such as 1GiB or a share such as 80%");
      case Type::kPercent:
        if (parse_percent(text)) return std::nullopt;
        return fmt::format("\"{}\" is not a percentage such as 50%", text);
      case Type::kDuration: {
        std::optional<std::uint64_t> number;
        if (const auto ms = parse_duration_ms(text)) number = static_cast<std::uint64_t>(*ms);
        return in_range(number, text, key, "a duration such as 100ms, 30s, 5m, 2h or 7d");
      }
      case Type::kEnum:
        return one_of(text, key.values);
      default:
        if (text.empty()) return "is empty";
        return std::nullopt;
    }
  }

  static std::optional<std::string> one_of(const std::string& text, std::string_view values) {
    std::vector<std::string_view> known;
    for (std::string_view rest = values; !rest.empty();) {
      const std::size_t bar = rest.find('|');
      known.push_back(rest.substr(0, bar));
      rest = bar == std::string_view::npos ? std::string_view{} : rest.substr(bar + 1);
    }
    if (std::find(known.begin(), known.end(), text) != known.end()) return std::nullopt;
    std::string all;
    for (const auto value : known) all += (all.empty() ? "" : ", ") + std::string(value);
    return fmt::format("\"{}\" is not one of: {}", text, all);
  }

  void add(const Value& value, const std::string& path, std::string message) {
    errors_.push_back({value.place, path, std::move(message)});
  }

  std::vector<Problem>& errors_;
  std::vector<std::string>& later_;
};

// Replaces each ${…} of a scalar; the error names the variable.
std::optional<std::string> expand(std::string& text, const std::string& gateway_id) {
  std::size_t at = 0;
  while ((at = text.find("${", at)) != std::string::npos) {
    const std::size_t end = text.find('}', at);
    if (end == std::string::npos) return "\"${\" has no \"}\"";
    const std::string name = text.substr(at + 2, end - at - 2);
    if (name.starts_with("iot:")) {  // a policy variable, for later
      at = end;
      continue;
    }
    std::string value;
    if (name == "gateway.id") {
      value = gateway_id;
    } else if (name.starts_with("env:")) {
      const char* found = std::getenv(name.c_str() + 4);
      if (found == nullptr) {
        return fmt::format("${{{}}}: there is no such variable in the environment", name);
      }
      value = found;
    } else {
      return fmt::format("${{{}}} is not known; there are ${{gateway.id}} and ${{env:NAME}}", name);
    }
    text.replace(at, end - at + 1, value);
    at += value.size();
  }
  return std::nullopt;
}

void expand_below(Value& value, const std::string& path, const std::string& gateway_id,
                  std::vector<Problem>& errors) {
  if (value.is_scalar()) {
    if (auto problem = expand(value.scalar, gateway_id)) {
      errors.push_back({value.place, path, std::move(*problem)});
    }
  }
  for (std::size_t i = 0; i < value.list.size(); ++i) {
    expand_below(value.list[i], fmt::format("{}[{}]", path, i), gateway_id, errors);
  }
  for (auto& [key, child] : value.map) {
    expand_below(child, path.empty() ? key : path + "." + key, gateway_id, errors);
  }
}

}  // namespace

void expand_variables(Value& tree, const std::string& gateway_id, std::vector<Problem>& errors) {
  expand_below(tree, "", gateway_id, errors);
}

void check_tree(const Value& tree, std::vector<Problem>& errors, std::vector<std::string>& later) {
  Checker(errors, later).section(tree, "", "");
}

}  // namespace tg::config
