#include "daemon/config/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "daemon/config/build.h"
#include "daemon/config/check.h"
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

}  // namespace

LoadResult load(const std::filesystem::path& file, const std::filesystem::path& folder) {
  LoadResult result;
  Value& tree = result.tree;
  tree = read_tree(file, result.errors, result.sources);
  if (!tree.is_map()) return result;
  expand_variables(tree, gateway_id_of(tree), result.errors);
  std::vector<std::string> later;
  check_tree(tree, result.errors, later);
  // Values of the wrong shape are as good as missing below: more can still be said about the rest.
  const auto base = folder.empty() ? std::filesystem::absolute(file).parent_path() : folder;
  Config config = build(tree, base, result.errors, result.warnings);
  validate(config, tree, result.errors, result.warnings);
  if (!later.empty()) {
    result.warnings.push_back(
        {{file.string(), 0}, "", "not available yet and without effect: " + join_outermost(later)});
  }
  feed_sinks(config);
  sort_by_line(result.errors);
  if (result.errors.empty()) result.config = std::move(config);
  return result;
}

}  // namespace tg::config
