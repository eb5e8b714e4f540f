#include "daemon/config/tree.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>
#include <system_error>

#include "daemon/base/text.h"

namespace tg::config {
namespace {

constexpr std::uintmax_t kMaxFileBytes = 1 << 20;
constexpr int kMaxDepth = 32;
constexpr int kMaxValues = 20'000;

class Converter {
 public:
  Converter(std::string file, std::vector<Problem>& errors)
      : file_(std::move(file)), errors_(errors) {}

  Value convert(const YAML::Node& node, Place place, int depth, const std::string& path) {
    Value value;
    value.place = std::move(place);
    if (++count_ > kMaxValues || depth > kMaxDepth) {
      if (!overflowed_) {
        add(value.place, path,
            fmt::format("more than {} levels or {} values", kMaxDepth, kMaxValues));
      }
      overflowed_ = true;
      return value;
    }
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        break;
      case YAML::NodeType::Scalar:
        value.kind = Value::Kind::kScalar;
        value.quoted = node.Tag() == "!";
        value.scalar = node.Scalar();
        break;
      case YAML::NodeType::Sequence:
        value.kind = Value::Kind::kList;
        for (const auto& item : node) {
          if (overflowed_) break;
          value.list.push_back(convert(item, place_of(item, value.place), depth + 1, path + "[]"));
        }
        break;
      case YAML::NodeType::Map:
        value.kind = Value::Kind::kMap;
        convert_map(node, value, depth, path);
        break;
    }
    return value;
  }

 private:
  void convert_map(const YAML::Node& node, Value& value, int depth, const std::string& path) {
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (overflowed_) return;
      const Place place = place_of(entry.first, value.place);
      if (!entry.first.IsScalar()) {
        add(place, path, "a key must be a word");
        continue;
      }
      const std::string key = entry.first.Scalar();
      const std::string child = path.empty() ? key : path + "." + key;
      if (!seen.insert(key).second) {
        add(place, child, "this key stands here twice");
        continue;
      }
      value.map.push_back({key, convert(entry.second, place, depth + 1, child)});
    }
  }

  [[nodiscard]] Place place_of(const YAML::Node& node, const Place& fallback) const {
    const auto mark = node.Mark();
    return mark.is_null() ? fallback : Place{file_, mark.line + 1};
  }

  void add(const Place& place, const std::string& path, std::string message) {
    errors_.push_back({place, path, std::move(message)});
  }

  std::string file_;
  std::vector<Problem>& errors_;
  int count_ = 0;
  bool overflowed_ = false;
};

Value read_one(const std::filesystem::path& file, std::vector<Problem>& errors,
               std::vector<Source>& sources) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error) {
    errors.push_back({{file.string(), 0}, "", "cannot be read: " + error.message()});
    return {};
  }
  if (size > kMaxFileBytes) {
    errors.push_back({{file.string(), 0}, "", fmt::format("{} bytes; at most 1 MiB", size)});
    return {};
  }
  std::ifstream input(file);
  std::stringstream text;
  text << input.rdbuf();
  if (!input) {
    errors.push_back({{file.string(), 0}, "", "cannot be read"});
    return {};
  }
  sources.push_back({file, text.str()});
  try {
    const YAML::Node root = YAML::Load(sources.back().text);
    Value value = Converter(file.string(), errors).convert(root, {file.string(), 1}, 0, "");
    if (value.kind == Value::Kind::kNull) value.kind = Value::Kind::kMap;
    if (!value.is_map()) {
      errors.push_back({value.place, "", "the file must be a map of keys"});
      return {};
    }
    return value;
  } catch (const YAML::Exception& exception) {
    errors.push_back({{file.string(), exception.mark.line + 1}, "", "not YAML: " + exception.msg});
    return {};
  }
}

const std::string* name_of(const Value& value) {
  const Value* name = value.find("name");
  return name != nullptr && name->is_scalar() ? &name->scalar : nullptr;
}

// A list of values, such as topic filters: it stands for itself and is not added to.
bool is_plain(const Value& list) {
  return std::all_of(list.list.begin(), list.list.end(),
                     [](const Value& item) { return item.is_scalar(); });
}

void merge(Value& base, Value&& extra) {
  if (base.is_map() && extra.is_map()) {
    for (auto& [key, value] : extra.map) {
      const auto at = std::find_if(base.map.begin(), base.map.end(),
                                   [&key = key](const auto& entry) { return entry.key == key; });
      if (at == base.map.end()) {
        base.map.push_back({key, std::move(value)});
      } else {
        merge(at->value, std::move(value));
      }
    }
    return;
  }
  if (base.is_list() && extra.is_list() && !is_plain(extra)) {
    for (auto& item : extra.list) {
      const std::string* name = name_of(item);
      const auto at = std::find_if(base.list.begin(), base.list.end(), [name](const Value& other) {
        const std::string* its = name_of(other);
        return name != nullptr && its != nullptr && *its == *name;
      });
      if (at == base.list.end()) {
        base.list.push_back(std::move(item));
      } else {
        merge(*at, std::move(item));
      }
    }
    return;
  }
  base = std::move(extra);
}

bool is_json_number(std::string_view text) {
  const std::size_t digits = text.find_first_not_of('-');
  if (text.empty() || digits > 1 || digits == std::string_view::npos) return false;
  if (text[digits] < '0' || text[digits] > '9' || text.back() < '0' || text.back() > '9')
    return false;
  if (text[digits] == '0' && text.size() > digits + 1 && text[digits + 1] != '.') return false;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

std::string Problem::text() const {
  std::string out = place.file;
  if (place.line > 0) out += fmt::format(":{}", place.line);
  if (!path.empty()) out += ": " + path;
  return out + ": " + message;
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : map) {
    if (name == key) return &value;
  }
  return nullptr;
}

const Value* find_path(const Value& tree, std::string_view path) {
  const Value* value = &tree;
  while (value != nullptr && !path.empty()) {
    const auto dot = std::min(path.find('.'), path.size());
    value = value->find(path.substr(0, dot));
    path.remove_prefix(std::min(dot + 1, path.size()));
  }
  return value;
}

Value read_tree(const std::filesystem::path& file, std::vector<Problem>& errors,
                std::vector<Source>& sources) {
  Value tree = read_one(file, errors, sources);
  if (!tree.is_map()) return tree;  // what is beside it says nothing without it
  std::error_code error;
  std::vector<std::filesystem::path> extras;
  for (const auto& entry :
       std::filesystem::directory_iterator(file.parent_path() / "conf.d", error)) {
    if (entry.path().extension() == ".yaml") extras.push_back(entry.path());
  }
  std::sort(extras.begin(), extras.end());
  for (const auto& extra : extras) merge(tree, read_one(extra, errors, sources));
  return tree;
}

std::string to_json(const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kScalar: {
      const bool bare = !value.quoted && (value.scalar == "true" || value.scalar == "false" ||
                                          is_json_number(value.scalar));
      return bare ? value.scalar : json_string(value.scalar);
    }
    case Value::Kind::kList: {
      std::string out;
      for (const auto& item : value.list) out += (out.empty() ? "" : ",") + to_json(item);
      return "[" + out + "]";
    }
    case Value::Kind::kMap: {
      std::string out;
      for (const auto& [key, item] : value.map) {
        out += (out.empty() ? "" : ",") + json_string(key) + ":" + to_json(item);
      }
      return "{" + out + "}";
    }
  }
  return "null";
}

}  // namespace tg::config
