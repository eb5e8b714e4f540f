#include "daemon/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "daemon/config/build.h"
#include "daemon/config/check.h"
#include "daemon/config/table.h"
#include "daemon/config/validate.h"

namespace tg::config {
namespace {

std::string gateway_id_of(const Value& tree) {
  const Value* gateway = tree.find("gateway");
  const Value* id = gateway != nullptr ? gateway->find("id") : nullptr;
  return id != nullptr ? id->scalar : std::string();
}

// One warning for all, as "a, b, c": only the outermost of nested ones.
std::string join_outermost(const std::vector<std::string>& paths) {
  std::string all;
  for (const auto& path : paths) {
    const bool inside = std::any_of(paths.begin(), paths.end(), [&path](const auto& other) {
      return path.size() > other.size() && path.starts_with(other) &&
             (path[other.size()] == '.' || path[other.size()] == '[');
    });
    if (!inside) all += (all.empty() ? "" : ", ") + path;
  }
  return all;
}

void sort_by_line(std::vector<Problem>& problems) {
  std::stable_sort(problems.begin(), problems.end(), [](const Problem& a, const Problem& b) {
    return a.place.file != b.place.file ? false : a.place.line < b.place.line;
  });
}

// Null: it is not written.
void put_path(Value& tree, std::string_view path, const Value* value) {
  const auto dot = path.find('.');
  const std::string name(path.substr(0, dot));
  auto member = std::find_if(tree.map.begin(), tree.map.end(),
                             [&name](const Member& each) { return each.key == name; });
  if (member == tree.map.end()) {
    if (value == nullptr) return;
    tree.kind = Value::Kind::kMap;  // a section without keys is null
    member = tree.map.insert(member, {name, {}});
    member->value.place = value->place;
  }
  if (dot != std::string_view::npos) return put_path(member->value, path.substr(dot + 1), value);
  if (value == nullptr) {
    tree.map.erase(member);
  } else {
    member->value = *value;
  }
}

bool is_kept(const Key& key) {
  return key.reload == Reload::kRestart && key.type != Type::kSection && key.type != Type::kList &&
         key.path.find_first_of("*[") == std::string_view::npos;
}

// From `written` on.
void finish(LoadResult& result, const std::filesystem::path& file,
            const std::filesystem::path& folder) {
  Value& tree = result.tree;
  tree = result.written;
  expand_variables(tree, gateway_id_of(tree), result.errors);
  std::vector<std::string> later;
  check_tree(tree, result.errors, later);
  // Values of the wrong shape are as good as missing below: more can still be said about the rest.
  Config config = build(tree, folder, result.errors, result.warnings);
  validate(config, tree, result.errors, result.warnings);
  if (!later.empty()) {
    result.warnings.push_back(
        {{file.string(), 0}, "", "not available yet and without effect: " + join_outermost(later)});
  }
  feed_sinks(config);
  sort_by_line(result.errors);
  (result.errors.empty() ? result.config : result.partial) = std::move(config);
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return std::filesystem::absolute(file).parent_path();
}

}  // namespace

Config* LoadResult::config_or_partial() {
  if (config) return &*config;
  return partial ? &*partial : nullptr;
}

void LoadResult::add_finding(Problem problem, bool is_warning) {
  const bool is_wrong = std::any_of(errors.begin(), errors.end(), [&problem](const auto& error) {
    return error.path == problem.path;
  });
  if (is_wrong) return;
  (is_warning ? warnings : errors).push_back(std::move(problem));
  sort_by_line(errors);
}

LoadResult load(const std::filesystem::path& file, const std::filesystem::path& folder) {
  LoadResult result;
  result.written = read_tree(file, result.errors, result.sources);
  if (result.written.is_map()) {
    finish(result, file, folder.empty() ? folder_of(file) : folder);
  } else {
    result.tree = result.written;
  }
  return result;
}

LoadResult as_running(const LoadResult& loaded, const Value& started,
                      const std::filesystem::path& file) {
  LoadResult result;
  result.written = loaded.written;
  result.sources = loaded.sources;
  for (const auto& key : keys()) {
    if (is_kept(key)) put_path(result.written, key.path, find_path(started, key.path));
  }
  finish(result, file, folder_of(file));
  return result;
}

}  // namespace tg::config
