// tidegatectl streams: list | show NAME | peek NAME; the rest in stream_readers.cpp and
// stream_copy.cpp.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

std::string state_of(const Json& reader) {
  if (reader.value("detached", false)) return "detached";
  return reader.value("paused", false) ? "paused" : "reads";
}

std::string readers_text(const Json& readers) {
  std::vector<Row> rows;
  for (const auto& reader : readers) {
    rows.push_back({text(reader, "name"), text(reader, "kind"), text(reader, "stream"),
                    text(reader, "position"), text(reader, "backlog"), state_of(reader)});
  }
  return table({"READER", "KIND", "STREAM", "POSITION", "BACKLOG", "STATE"}, rows);
}

std::string streams_text(const Json& document) {
  std::vector<Row> rows;
  for (const auto& stream : document["streams"]) {
    rows.push_back({text(stream, "name"), text(stream, "priority"), text(stream, "records"),
                    size_text(number(stream, "bytes")),
                    duration_text(number(stream, "oldest_age_s")), text(stream, "evicted")});
  }
  std::string out = table({"NAME", "PRIORITY", "RECORDS", "SIZE", "OLDEST", "EVICTED"}, rows);
  if (!document["readers"].empty()) out += "\n" + readers_text(document["readers"]);
  return out;
}

std::string stream_text(const Json& stream) {
  std::string out;
  for (const auto& [key, value] : stream.items()) {
    if (key != "readers") out += fmt::format("{:<14} {}\n", key, text(stream, key.c_str()));
  }
  return out + (stream["readers"].empty() ? "no readers\n" : readers_text(stream["readers"]));
}

void show(Context& context, const std::string& name) {
  const auto all = context.get("/api/v1/streams");
  if (!all) return;
  for (const auto& stream : (*all)["streams"]) {
    if (text(stream, "name") != name) continue;
    Json one = stream;
    one["readers"] = Json::array();
    for (const auto& reader : (*all)["readers"]) {
      if (text(reader, "stream") == name) one["readers"].push_back(reader);
    }
    return context.print(one, stream_text);
  }
  context.fail(kRefused, fmt::format("there is no stream {}", name));
}

std::string records_text(const Json& document) {
  std::string out;
  for (const auto& record : document["records"]) {
    if (record.contains("gap")) {
      const auto& gap = record["gap"];
      out += fmt::format("{}..{} gone: {}\n", text(gap, "first"), text(gap, "last"),
                         text(gap, "reason"));
      continue;
    }
    out += fmt::format("{} {} {} {} {}\n", text(record, "seq"), time_text(number(record, "time")),
                       text(record, "publisher"), text(record, "topic"), record["payload"].dump());
  }
  return out;
}

struct PeekOptions {
  std::string name;
  std::uint64_t from = 0;
  std::uint64_t limit = 10;
};

void peek(Context& context, const PeekOptions& options) {
  std::string path = fmt::format("/api/v1/streams/{}/records?limit={}",
                                 percent_encoded(options.name), options.limit);
  if (options.from > 0) path += fmt::format("&from={}", options.from);
  if (const auto records = context.get(path)) context.print(*records, records_text);
}

}  // namespace

void add_streams(CLI::App& app, Context& context) {
  auto* noun = app.add_subcommand("streams", "the durable streams")->alias("stream");
  noun->require_subcommand(1);
  noun->add_subcommand("list", "all streams and their readers")->callback([&context] {
    if (const auto all = context.get("/api/v1/streams")) context.print(*all, streams_text);
  });
  auto* show_command = noun->add_subcommand("show", "one stream and its readers");
  const auto name = std::make_shared<std::string>();
  show_command->add_option("stream", *name, "its name")->required();
  show_command->callback([&context, name] { show(context, *name); });

  auto* peek_command = noun->add_subcommand("peek", "look at records; no reader moves");
  const auto options = std::make_shared<PeekOptions>();
  peek_command->add_option("stream", options->name, "its name")->required();
  peek_command->add_option("--from", options->from, "first sequence number [the newest records]");
  peek_command->add_option("--limit", options->limit, "records at most")->capture_default_str();
  peek_command->callback([&context, options] { peek(context, *options); });
  add_stream_readers(*noun, context);
  add_stream_copy(*noun, context);
}

}  // namespace tg::ctl
