// tidegatectl config: check | show | diff | reload | import.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "daemon/app/check_files.h"
#include "daemon/app/config_json.h"
#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/config/load.h"
#include "daemon/config/mosquitto.h"

namespace tg::ctl {
namespace {

constexpr const char* kStandardFile = "/etc/tidegate/tidegate.yaml";

std::string problems_text(const Json& document) {
  std::string out;
  for (const auto& warning : document["warnings"]) {
    out += fmt::format("warning: {}\n", text(warning, "text"));
  }
  for (const auto& error : document["errors"]) {
    out += fmt::format("error: {}\n", text(error, "text"));
  }
  return out;
}

void check(Context& context, const std::string& file) {
  auto loaded = config::load(file);
  app::check_files(loaded);
  const Json document{{"file", file},
                      {"valid", loaded.errors.empty()},
                      {"errors", app::problems_json(loaded.errors)},
                      {"warnings", app::problems_json(loaded.warnings)}};
  context.print(document, [&](const Json& checked) {
    return problems_text(checked) +
           fmt::format("{}: {}\n", file, loaded.errors.empty() ? "valid" : "not valid");
  });
  if (!loaded.errors.empty()) context.exit_code = kRefused;
}

// --- show

std::string origin_text(const Json& setting) {
  if (setting["file"].is_null()) return "default";
  return fmt::format("{}:{}", text(setting, "file"), text(setting, "line"));
}

std::string settings_text(const Json& document) {
  std::vector<Row> rows;
  for (const auto& setting : document["settings"]) {
    std::string origin = origin_text(setting);
    if (setting["available"] == false) origin += " (not available yet)";
    rows.push_back({text(setting, "path"), text(setting, "value"), std::move(origin)});
  }
  return table({"KEY", "VALUE", "FROM"}, rows);
}

std::optional<Json> settings_of(Context& context, const std::string& file) {
  if (file.empty()) return context.get("/api/v1/config");
  const auto loaded = config::load(file);
  if (!loaded.errors.empty()) {
    for (const auto& error : loaded.errors) context.fail(kRefused, error.text());
    return std::nullopt;
  }
  return Json{{"file", file}, {"settings", app::settings_json(loaded.tree)}};
}

void show(Context& context, const std::string& file, bool only_written) {
  auto document = settings_of(context, file);
  if (!document) return;
  if (only_written) {
    auto kept = Json::array();
    for (const auto& setting : (*document)["settings"]) {
      if (!setting["file"].is_null()) kept.push_back(setting);
    }
    (*document)["settings"] = std::move(kept);
  }
  context.print(*document, settings_text);
}

// --- diff and reload

std::string changes_text(const Json& document) {
  std::string out = problems_text(document);
  for (const auto& change : document["changes"]) {
    const std::string kind = text(change, "kind");
    out += fmt::format("{} {}",
                       kind == "added"     ? "+"
                       : kind == "removed" ? "-"
                                           : "~",
                       text(change, "path"));
    if (kind == "changed") {
      out += fmt::format(": {} -> {}", text(change, "from"), text(change, "to"));
    } else if (const auto value = text(change, kind == "added" ? "to" : "from"); !value.empty()) {
      out += ": " + value;
    }
    out += text(change, "reload") == "live" ? "\n" : "  (after a restart)\n";
  }
  return out;
}

void diff(Context& context) {
  const auto document = context.get("/api/v1/config/diff");
  if (!document) return;
  context.print(*document, [](const Json& found) {
    const std::string changes = changes_text(found);
    return changes.empty() ? std::string("no difference\n") : changes;
  });
  if ((*document)["valid"] == false) context.exit_code = kRefused;
}

std::string reload_text(const Json& document) {
  return changes_text(document) + fmt::format("{} is applied: {} change(s)\n",
                                              text(document, "file"), document["changes"].size());
}

void reload(Context& context) {
  const Reply reply = context.request("POST", "/api/v1/reload");
  const auto document = Json::parse(reply.body, nullptr, false);
  // The refusal says more than its error: every problem with its line.
  if (reply.status == 422 && document.contains("errors")) {
    if (context.as_json) fmt::print("{}\n", document.dump(2));
    for (const auto& error : document["errors"]) context.fail(kRefused, text(error, "text"));
    return context.fail(kRefused, text(document, "error"));
  }
  if (const auto applied = context.take(reply)) context.print(*applied, reload_text);
}

// --- import

std::optional<std::string> read_file(const std::string& file) {
  std::ifstream input(file);
  if (!input) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(input), {});
}

void import_file(Context& context, const std::string& file, const std::string& target) {
  const auto content = read_file(file);
  if (!content) return context.fail(kRefused, fmt::format("{} cannot be read", file));
  const auto made = config::import_mosquitto(file, *content, read_file);
  Json document{{"yaml", made.yaml}, {"notes", Json::array()}};
  for (const auto& note : made.notes) {
    document["notes"].push_back({{"file", note.file}, {"line", note.line}, {"text", note.text}});
    if (!context.as_json) {
      fmt::print(stderr, "not carried over: {}:{}: {}\n", note.file, note.line, note.text);
    }
  }
  if (!target.empty()) {
    if (std::filesystem::exists(target)) {
      return context.fail(kRefused, fmt::format("{} is there already", target));
    }
    std::ofstream output(target);
    if (!(output << made.yaml)) {
      return context.fail(kRefused, fmt::format("{} cannot be written", target));
    }
    document["file"] = target;
  }
  context.print(document, [&target](const Json& imported) {
    return target.empty() ? text(imported, "yaml") : target + "\n";
  });
}

}  // namespace

void add_config(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("config", "the configuration");
  noun->require_subcommand(1);

  auto* check_command = noun->add_subcommand("check", "name every error of a file");
  const auto checked = std::make_shared<std::string>(kStandardFile);
  check_command->add_option("file", *checked, "the file")->capture_default_str();
  check_command->callback([&context, checked] { check(context, *checked); });

  auto* show_command = noun->add_subcommand("show", "what counts, and the line it comes from");
  const auto shown = std::make_shared<std::string>();
  const auto only_written = std::make_shared<bool>(false);
  show_command->add_option("file", *shown, "a file [what the daemon runs]");
  show_command->add_flag("--written", *only_written, "without defaults");
  show_command->callback([&context, shown, only_written] { show(context, *shown, *only_written); });

  noun->add_subcommand("diff", "what a reload would change")->callback([&context] {
    diff(context);
  });
  noun->add_subcommand("reload", "apply the changed file, whole or not at all")
      ->callback([&context] { reload(context); });

  auto* import_command = noun->add_subcommand("import", "turn a mosquitto.conf into YAML");
  const auto source = std::make_shared<std::string>();
  const auto target = std::make_shared<std::string>();
  import_command->add_option("file", *source, "mosquitto.conf")->required();
  import_command->add_option("-o,--output", *target, "new file to write [standard output]");
  import_command->callback([&context, source, target] { import_file(context, *source, *target); });
}

}  // namespace tg::ctl
