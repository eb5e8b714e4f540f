#include "daemon/app/describe.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <string_view>

namespace tg::app {
namespace {

using Json = nlohmann::ordered_json;

Json describe_option(const CLI::Option& option) {
  Json names = Json::array();
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  const bool is_flag = option.get_items_expected_max() == 0;
  std::string value = is_flag ? "" : option.get_type_name();
  if (names.empty()) value = option.get_name(true, false);
  return {{"names", names},
          {"value", value},
          {"default", option.get_default_str()},
          {"help", option.get_description()},
          {"required", option.get_required()}};
}

// An option or a command with an empty group is hidden.
Json describe_app(const CLI::App& app, const std::string& name) {
  Json options = Json::array();
  for (const auto* option : app.get_options()) {
    if (!option->get_group().empty()) options.push_back(describe_option(*option));
  }
  Json commands = Json::array();
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (!command->get_group().empty())
      commands.push_back(describe_app(*command, command->get_name()));
  }
  return {{"name", name},
          {"help", app.get_description()},
          {"options", options},
          {"commands", commands}};
}

}  // namespace

std::string describe(const CLI::App& app, const std::string& program) {
  return describe_app(app, program).dump(1);
}

bool was_described(const CLI::App& app, const std::string& program, int argc,
                   const char* const* argv) {
  if (argc != 2 || std::string_view(argv[1]) != "--describe") return false;
  fmt::print("{}\n", describe(app, program));
  return true;
}

}  // namespace tg::app
