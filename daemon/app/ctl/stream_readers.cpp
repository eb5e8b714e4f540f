// tidegatectl streams: pause | resume | rewind READER, discard STREAM READER. A reader is an export
// or a processor; its name alone will do unless two streams have one of that name.
#include <fmt/format.h>

#include <charconv>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

struct RewindOptions {
  std::string reader;
  std::string to;
  std::string to_time;
};

std::string path_of(const std::string& stream, const std::string& reader, const char* what) {
  return fmt::format("/api/v1/streams/{}/readers/{}/{}", percent_encoded(stream),
                     percent_encoded(reader), what);
}

// NAME or STREAM/NAME to the path of what is to be done; nothing when that has been said to be
// wrong.
std::optional<std::string> find_path(Context& context, const std::string& wanted,
                                     const char* what) {
  const auto all = context.get("/api/v1/streams");
  if (!all) return std::nullopt;
  std::vector<std::string> found;
  std::string streams;
  for (const auto& reader : (*all)["readers"]) {
    const std::string stream = text(reader, "stream");
    const std::string name = text(reader, "name");
    if (name != wanted && stream + '/' + name != wanted) continue;
    found.push_back(path_of(stream, name, what));
    streams += fmt::format("{}{}/{}", streams.empty() ? "" : ", ", stream, name);
  }
  if (found.size() == 1) return found.front();
  context.fail(kRefused, found.empty() ? fmt::format("no stream has a reader {}", wanted)
                                       : fmt::format("which one: {}?", streams));
  return std::nullopt;
}

void set_paused(Context& context, const std::string& reader, const char* what) {
  const auto path = find_path(context, reader, what);
  if (!path) return;
  const auto answer = context.call("POST", *path);
  if (!answer) return;
  context.print(*answer, [](const Json& done) {
    const bool paused = done["paused"].get<bool>();
    return fmt::format("{} of stream {} {}\n", text(done, "reader"), text(done, "stream"),
                       paused ? "is paused and holds its records" : "goes on");
  });
}

// The body of the request; nothing when the options are wrong.
std::optional<Json> target_of(const RewindOptions& options) {
  if (options.to.empty() == options.to_time.empty()) return std::nullopt;
  if (!options.to_time.empty()) {
    const auto wall_ms = parse_time(options.to_time);
    return wall_ms ? std::optional(Json{{"to_time", *wall_ms}}) : std::nullopt;
  }
  if (options.to == "oldest") return Json{{"to", "oldest"}};
  std::uint64_t seq = 0;
  const char* const end = options.to.data() + options.to.size();
  const auto [stop, error] = std::from_chars(options.to.data(), end, seq);
  return error == std::errc() && stop == end ? std::optional(Json{{"to", seq}}) : std::nullopt;
}

void rewind(Context& context, const RewindOptions& options) {
  const auto target = target_of(options);
  if (!target) {
    return context.fail(kUsage,
                        "streams rewind: give --to SEQ, --to oldest, or --to-time as 2026-01-31 "
                        "12:00:00 (local time; with a Z at its end: UTC)");
  }
  const auto path = find_path(context, options.reader, "rewind");
  if (!path) return;
  const auto answer = context.call("POST", *path, target->dump());
  if (!answer) return;
  context.print(*answer, [](const Json& done) {
    return fmt::format("{} of stream {} stands at {}: {} record(s) are read again\n",
                       text(done, "reader"), text(done, "stream"), text(done, "position"),
                       text(done, "records"));
  });
}

void discard(Context& context, const std::string& stream, const std::string& reader) {
  const auto answer = context.call("POST", path_of(stream, reader, "discard"));
  if (!answer) return;
  context.print(*answer, [](const Json& done) {
    return fmt::format("{} of stream {} is discarded\n", text(done, "reader"),
                       text(done, "stream"));
  });
}

void add_pause(CLI::App& noun, Context& context, const char* what, const char* help) {
  auto* command = noun.add_subcommand(what, help);
  const auto reader = std::make_shared<std::string>();
  command->add_option("reader", *reader, "an export or processor: NAME or STREAM/NAME")->required();
  command->callback([&context, reader, what] { set_paused(context, *reader, what); });
}

}  // namespace

void add_stream_readers(CLI::App& noun, Context& context) {
  add_pause(noun, context, "pause", "let an export or processor hold its records");
  add_pause(noun, context, "resume", "let it go on with what it held");

  auto* rewind_command = noun.add_subcommand("rewind", "let an export send stored records again");
  const auto options = std::make_shared<RewindOptions>();
  rewind_command->add_option("reader", options->reader, "an export: NAME or STREAM/NAME")
      ->required();
  rewind_command->add_option("--to", options->to, "a sequence number, or oldest");
  rewind_command->add_option("--to-time", options->to_time,
                             "when the first of them came: YYYY-MM-DD HH:MM[:SS][Z]");
  rewind_command->callback([&context, options] { rewind(context, *options); });

  auto* discard_command =
      noun.add_subcommand("discard", "give up what a detached reader still holds");
  const auto stream = std::make_shared<std::string>();
  const auto reader = std::make_shared<std::string>();
  discard_command->add_option("stream", *stream, "its name")->required();
  discard_command->add_option("reader", *reader, "its name")->required();
  discard_command->callback([&context, stream, reader] { discard(context, *stream, *reader); });
}

}  // namespace tg::ctl
