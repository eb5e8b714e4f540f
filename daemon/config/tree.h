// A configuration file as a tree of plain values, each with the place it came from. What reads YAML
// is tree.cpp; nothing above it knows yaml-cpp.
//
// Limits: 1 MiB a file, 32 levels, 20,000 values (aliases count each time they are used).
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tg::config {

struct Place {
  std::string file;
  int line = 0;  // from 1; 0 = the file as a whole
};

struct Problem {
  Place place;
  std::string path;  // of the key, e.g. streams.telemetry.max_size; may be empty
  std::string message;
  [[nodiscard]] std::string text() const;  // file:line: path: message
};

struct Member;

struct Value {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  bool quoted = false;  // a scalar in quotes is a string, whatever it looks like
  std::string scalar;
  std::vector<Value> list;
  std::vector<Member> map;  // in the file's order
  Place place;              // of its key, or of itself in a list

  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] bool is_map() const { return kind == Kind::kMap; }
  [[nodiscard]] bool is_list() const { return kind == Kind::kList; }
  [[nodiscard]] bool is_scalar() const { return kind == Kind::kScalar; }
};

// Of keys with dots between them; null when there is none.
[[nodiscard]] const Value* find_path(const Value& tree, std::string_view path);

struct Member {
  std::string key;
  Value value;
};

// A file as it was read.
struct Source {
  std::filesystem::path file;
  std::string text;
};

// The file and then conf.d/*.yaml beside it, in order of their names: maps merge, lists of
// maps merge by `name`, of anything else the later one counts. Problems: unreadable, not YAML,
// duplicate keys. sources: what was read, the file first.
Value read_tree(const std::filesystem::path& file, std::vector<Problem>& errors,
                std::vector<Source>& sources);

// For plugins: the value as JSON text. Scalars that look like numbers or booleans are written as
// such.
[[nodiscard]] std::string to_json(const Value& value);

}  // namespace tg::config
