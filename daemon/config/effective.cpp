#include "daemon/config/effective.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <utility>

namespace tg::config {
namespace {

constexpr std::string_view kHidden = "****";

// Sections whose absence means something: their defaults count only when they are there.
bool is_optional(std::string_view pattern) {
  return pattern == "cloud" || pattern.ends_with(".tls") || pattern.ends_with(".on_error");
}

// A copy of a value, its secrets hidden.
Value redacted(const Value& value) {
  Value copy = value;
  if (copy.is_scalar()) copy.scalar = without_credentials(copy.scalar);
  for (auto& item : copy.list) item = redacted(item);
  for (auto& [name, child] : copy.map) {
    if (is_secret_name(name) && child.is_scalar()) {
      child.scalar = kHidden;
      child.quoted = true;
    } else {
      child = redacted(child);
    }
  }
  return copy;
}

std::string written(const Value& value) {
  return value.is_scalar() ? value.scalar : to_json(value);
}

class Lister {
 public:
  std::vector<Setting> list(const Value& tree) {
    section("", "", &tree);
    return std::move(all_);
  }

 private:
  // Keys right below a pattern, in the order of the table.
  static std::vector<const Key*> children(const std::string& pattern) {
    const std::string prefix = pattern.empty() ? "" : pattern + ".";
    std::vector<const Key*> found;
    for (const auto& key : keys()) {
      if (!key.path.starts_with(prefix)) continue;
      if (key.path.substr(prefix.size()).find('.') == std::string_view::npos) found.push_back(&key);
    }
    return found;
  }

  void section(const std::string& pattern, const std::string& path, const Value* value) {
    for (const Key* key : children(pattern)) {
      const std::string name(key->path.substr(pattern.empty() ? 0 : pattern.size() + 1));
      if (name == "*" || name.ends_with("[]")) continue;
      const Value* child = value != nullptr ? value->find(name) : nullptr;
      visit(*key, path.empty() ? name : path + "." + name, child);
    }
  }

  void visit(const Key& key, const std::string& path, const Value* value) {
    const std::string pattern(key.path);
    switch (key.type) {
      case Type::kSection:
        if (value != nullptr || !is_optional(pattern)) section(pattern, path, value);
        return;
      case Type::kNamed:
        if (value != nullptr) named(pattern, path, *value);
        return;
      case Type::kList:
        if (value != nullptr) items(pattern, path, *value);
        return;
      default:
        if (value != nullptr) {
          add(key, path, *value);
        } else if (!key.standard.empty()) {
          all_.push_back({path, std::string(key.standard), std::string(key.standard), {}, &key});
        }
    }
  }

  void named(const std::string& pattern, const std::string& path, const Value& value) {
    const Key* item = find_key(pattern + ".*");
    for (const auto& [name, child] : value.map) visit(*item, path + "." + name, &child);
  }

  void items(const std::string& pattern, const std::string& path, const Value& value) {
    for (std::size_t i = 0; i < value.list.size(); ++i) {
      const Value* name = value.list[i].find("name");
      const bool has_name = name != nullptr && name->is_scalar();
      section(pattern + "[]",
              fmt::format("{}[{}]", path, has_name ? name->scalar : std::to_string(i)),
              &value.list[i]);
    }
  }

  void add(const Key& key, const std::string& path, const Value& value) {
    Setting setting{path, written(value), written(redacted(value)), value.place, &key};
    if (key.type == Type::kSecret && value.is_scalar()) setting.shown = kHidden;
    all_.push_back(std::move(setting));
  }

  std::vector<Setting> all_;
};

// exports[a].batch.max_age -> exports[a]; streams.s.max_age -> streams.s; else empty.
std::string item_of(const Setting& setting) {
  const auto bracket = setting.path.rfind(']');
  if (bracket != std::string::npos) return setting.path.substr(0, bracket + 1);
  const auto star = setting.key->path.find(".*");
  if (star == std::string_view::npos) return {};
  const auto end = setting.path.find('.', star + 1);
  return setting.path.substr(0, end);
}

bool has_item(const std::vector<Setting>& settings, const std::string& item) {
  return std::any_of(settings.begin(), settings.end(),
                     [&item](const auto& setting) { return item_of(setting) == item; });
}

// The key that says whether an item may come and go: that of the list or map that holds it.
Reload reload_of_item(const Setting& setting) {
  const std::string_view pattern = setting.key->path;
  const auto at = std::min(pattern.find("[]"), pattern.find(".*"));
  const Key* holder = find_key(pattern.substr(0, at));
  return holder != nullptr ? holder->reload : Reload::kRestart;
}

using Index = std::map<std::string, const Setting*>;

Index index_of(const std::vector<Setting>& settings) {
  Index index;
  for (const auto& setting : settings) index.emplace(setting.path, &setting);
  return index;
}

// What is in `settings` and not in `others`.
void add_one_sided(const std::vector<Setting>& settings, const std::vector<Setting>& others,
                   Change::Kind kind, std::vector<Change>& changes) {
  const Index index = index_of(others);
  std::string last_item;
  for (const auto& setting : settings) {
    if (index.contains(setting.path)) continue;
    const std::string item = item_of(setting);
    Change change{kind, setting.path, {}, {}, setting.place, setting.key->reload};
    if (!item.empty() && item != setting.path && !has_item(others, item)) {
      if (item == last_item) continue;
      last_item = item;
      change.path = item;
      change.reload = reload_of_item(setting);
    } else {
      (kind == Change::Kind::kAdded ? change.to : change.from) = setting.shown;
    }
    changes.push_back(std::move(change));
  }
}

}  // namespace

std::string without_credentials(std::string_view text) {
  const auto scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::string(text);
  // The last one before the path: a password may hold another.
  const auto at = text.substr(0, text.find('/', scheme + 3)).rfind('@');
  if (at == std::string_view::npos || at < scheme) return std::string(text);
  return fmt::format("{}{}{}", text.substr(0, scheme + 3), kHidden, text.substr(at));
}

bool is_secret_name(std::string_view name) {
  static constexpr std::array<std::string_view, 8> kWords = {
      "password", "passwd", "secret", "token", "credential", "api_key", "apikey", "private_key"};
  std::string lower;
  for (const char c : name) {
    lower += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower == "key" || std::any_of(kWords.begin(), kWords.end(), [&lower](auto word) {
           return lower.find(word) != std::string::npos;
         });
}

std::vector<Setting> effective(const Value& tree) { return Lister().list(tree); }

std::vector<Change> differences(const Value& before, const Value& after) {
  const auto was = effective(before);
  const auto is = effective(after);
  const Index old = index_of(was);
  std::vector<Change> changes;
  for (const auto& setting : is) {
    const auto found = old.find(setting.path);
    if (found == old.end() || found->second->value == setting.value) continue;
    changes.push_back({Change::Kind::kChanged, setting.path, found->second->shown, setting.shown,
                       setting.place, setting.key->reload});
  }
  add_one_sided(is, was, Change::Kind::kAdded, changes);
  add_one_sided(was, is, Change::Kind::kRemoved, changes);
  return changes;
}

const char* to_string(Change::Kind kind) {
  switch (kind) {
    case Change::Kind::kAdded:
      return "added";
    case Change::Kind::kRemoved:
      return "removed";
    case Change::Kind::kChanged:
      return "changed";
  }
  return "?";
}

}  // namespace tg::config
