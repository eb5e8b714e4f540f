// Holds a tree against the table of keys: unknown keys with the nearest known one, types, ranges,
// values of enums. Also expands ${gateway.id} and ${env:NAME} before that; policy variables,
// ${iot:…}, stay.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/tree.h"

namespace tg::config {

void expand_variables(Value& tree, const std::string& gateway_id, std::vector<Problem>& errors);

// `later`: paths of keys that are right, but whose feature this version does not have.
void check_tree(const Value& tree, std::vector<Problem>& errors, std::vector<std::string>& later);

}  // namespace tg::config
