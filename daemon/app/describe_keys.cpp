#include "daemon/app/describe_keys.h"

#include <nlohmann/json.hpp>
#include <string_view>

#include "daemon/config/table.h"

namespace tg::app {
namespace {

using Json = nlohmann::ordered_json;

std::string_view name_of(config::Type type) {
  using config::Type;
  switch (type) {
    case Type::kSection:
      return "section";
    case Type::kNamed:
      return "map of names";
    case Type::kList:
      return "list";
    case Type::kFree:
      return "any";
    case Type::kString:
      return "string";
    case Type::kBool:
      return "boolean";
    case Type::kInteger:
      return "integer";
    case Type::kSize:
      return "size";
    case Type::kSizeOrShare:
      return "size or share";
    case Type::kPercent:
      return "percentage";
    case Type::kDuration:
      return "duration";
    case Type::kEnum:
      return "choice";
    case Type::kStrings:
      return "string or list of strings";
    case Type::kSecret:
      return "secret";
    case Type::kEndpoints:
      return "list of URLs";
    case Type::kOutput:
      return "stream or topic";
  }
  return "";
}

}  // namespace

std::string describe_keys() {
  Json all = Json::array();
  for (const auto& key : config::keys()) {
    const bool is_bounded = key.min != 0 || key.max != UINT64_MAX;
    all.push_back({{"path", key.path},
                   {"type", name_of(key.type)},
                   {"default", key.standard},
                   {"values", key.values},
                   {"live", key.reload == config::Reload::kLive},
                   {"available", key.available},
                   {"min", is_bounded ? Json(key.min) : Json()},
                   {"max", is_bounded ? Json(key.max) : Json()},
                   {"help", key.help}});
  }
  return all.dump(1);
}

}  // namespace tg::app
