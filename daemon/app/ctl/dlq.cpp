// tidegatectl dlq: list | show ID | replay | purge | export | unblock NAME.
#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

struct Chosen {
  std::vector<std::uint64_t> ids;
  bool all = false;
};

std::string letters_text(const Json& document) {
  std::vector<Row> rows;
  for (const auto& letter : document["letters"]) {
    rows.push_back({text(letter, "id"), time_text(number(letter, "last_error")),
                    text(letter, "stream"), text(letter, "reader"), text(letter["record"], "topic"),
                    text(letter, "attempts"), text(letter, "reason")});
  }
  std::string out =
      table({"ID", "LAST ERROR", "STREAM", "READER", "TOPIC", "ATTEMPTS", "REASON"}, rows);
  if (number(document, "next") > 0) {
    out += fmt::format("more: tidegatectl dlq list --from {}\n", text(document, "next"));
  }
  return out;
}

std::string letter_text(const Json& letter) {
  std::string out;
  for (const auto& [key, value] : letter.items()) {
    if (key == "record") continue;
    const bool is_time = key == "first_error" || key == "last_error";
    out +=
        fmt::format("{:<12} {}\n", key,
                    is_time ? time_text(number(letter, key.c_str())) : text(letter, key.c_str()));
  }
  const Json& record = letter["record"];
  out += fmt::format("{:<12} {}\n{:<12} {}\n{:<12} {}\n", "topic", text(record, "topic"),
                     "publisher", text(record, "publisher"), "payload", record["payload"].dump());
  return out;
}

// What `dlq export` writes: a letter a line, the payload's bytes as base64.
void export_all(Context& context) {
  for (std::uint64_t from = 0;;) {
    const auto page =
        context.get(fmt::format("/api/v1/dead-letters?limit=1000&encoding=base64&from={}", from));
    if (!page) return;
    for (const auto& letter : (*page)["letters"]) fmt::print("{}\n", letter.dump());
    from = (*page)["next"].get<std::uint64_t>();
    if (from == 0) return;
  }
}

void change(Context& context, const char* what, const Chosen& chosen) {
  if (chosen.all == !chosen.ids.empty()) {
    return context.fail(kUsage, fmt::format("dlq {}: give ids, or --all", what));
  }
  Json body;
  if (chosen.all) {
    body["all"] = true;
  } else {
    body["ids"] = chosen.ids;
  }
  const auto answer =
      context.call("POST", fmt::format("/api/v1/dead-letters/{}", what), body.dump());
  if (!answer) return;
  context.print(*answer, [](const Json& document) {
    const auto first = document.begin();
    return fmt::format("{} {}\n", first.key(), first.value().dump());
  });
}

void add_change(CLI::App& noun, Context& context, const char* what, const char* help) {
  auto* command = noun.add_subcommand(what, help);
  const auto chosen = std::make_shared<Chosen>();
  command->add_option("id", chosen->ids, "letters, by their id");
  command->add_flag("--all", chosen->all, "all letters there are now");
  command->callback([&context, what, chosen] { change(context, what, *chosen); });
}

}  // namespace

void add_dlq(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("dlq", "records that could not be handled");
  noun->require_subcommand(1);
  auto* list = noun->add_subcommand("list", "the letters, oldest first");
  const auto from = std::make_shared<std::uint64_t>(0);
  list->add_option("--from", *from, "first id");
  list->callback([&context, from] {
    const auto page = context.get(fmt::format("/api/v1/dead-letters?from={}", *from));
    if (page) context.print(*page, letters_text);
  });
  auto* show = noun->add_subcommand("show", "one letter with its record");
  const auto id = std::make_shared<std::uint64_t>(0);
  show->add_option("id", *id, "its id")->required();
  show->callback([&context, id] {
    const auto letter = context.get(fmt::format("/api/v1/dead-letters/{}", *id));
    if (letter) context.print(*letter, letter_text);
  });
  add_change(*noun, context, "replay", "put letters back into the streams they came from");
  add_change(*noun, context, "purge", "delete letters");
  noun->add_subcommand("export", "all letters as JSON, one a line")->callback([&context] {
    export_all(context);
  });
  auto* unblock =
      noun->add_subcommand("unblock", "let an export or a processor go on that was blocked");
  const auto name = std::make_shared<std::string>();
  unblock->add_option("name", *name, "its name")->required();
  unblock->callback([&context, name] {
    const auto answer =
        context.call("POST", fmt::format("/api/v1/exports/{}/unblock", percent_encoded(*name)));
    if (answer) {
      context.print(*answer, [](const Json& document) {
        return fmt::format("{} goes on\n", text(document, "unblocked"));
      });
    }
  });
}

}  // namespace tg::ctl
