// The configuration as it counts: every key with its value and where it comes from, defaults
// included; and what differs between two of them. Pure.
//
// Paths name items of lists by their `name`: exports[to-cloud].batch.max_age; by number where there
// is none: bridge[0].local. Secrets are compared, but never shown: neither keys of the type secret,
// nor those of a plugin's own section that are named like one (password, secret, token, key …), nor
// user names and passwords inside URLs.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/table.h"
#include "daemon/config/tree.h"

namespace tg::config {

struct Setting {
  std::string path;
  std::string value;  // as written; lists and plugins' sections as JSON
  std::string shown;  // the same without secrets
  Place place;        // line 0 and no file: the default
  const Key* key = nullptr;
};

// tree: after expand_variables(), without errors. In the order of the table.
[[nodiscard]] std::vector<Setting> effective(const Value& tree);

struct Change {
  enum class Kind { kAdded, kRemoved, kChanged };
  Kind kind = Kind::kChanged;
  std::string path;  // a whole item, where one was added or removed
  std::string from;  // shown form; empty when added
  std::string to;    // shown form; empty when removed
  Place place;       // in the new one; of the old one when removed
  Reload reload = Reload::kRestart;
};

[[nodiscard]] std::vector<Change> differences(const Value& before, const Value& after);

[[nodiscard]] const char* to_string(Change::Kind kind);

// "****" in place of what is between "://" and "@".
[[nodiscard]] std::string without_credentials(std::string_view text);
// password, secret, token … as part of a key's name.
[[nodiscard]] bool is_secret_name(std::string_view name);

}  // namespace tg::config
