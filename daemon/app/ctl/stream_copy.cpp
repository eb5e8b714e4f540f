// tidegatectl streams: export STREAM, import STREAM FILE. A line is a record as JSON, its payload
// in base64; what export writes, import reads, on this gateway or another.
//
// Import sends whole lines, up to kBodyBytes at a time; each lot is stored whole or not at all, and
// counts once the daemon says that it is durable. Memory: one lot and one line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "daemon/app/ctl/nouns.h"
#include "daemon/app/ctl/text.h"
#include "daemon/base/text.h"

namespace tg::ctl {
namespace {

constexpr std::size_t kBodyBytes = 128 * 1024;
constexpr std::size_t kMaxLine = 500 * 1024;  // below what the daemon takes at once
constexpr std::chrono::milliseconds kBusyPause{100};
constexpr int kBusyPauses = 600;  // a minute
constexpr std::uint64_t kPage = 1000;

struct ExportOptions {
  std::string stream;
  std::uint64_t from = 0;
  std::uint64_t limit = UINT64_MAX;
};

const Json* find_stream(const Json& all, const std::string& name) {
  for (const auto& stream : all["streams"]) {
    if (text(stream, "name") == name) return &stream;
  }
  return nullptr;
}

// Up to what is stored now: on a stream that grows it comes to an end.
void export_records(Context& context, const ExportOptions& options) {
  const auto all = context.get("/api/v1/streams");
  if (!all) return;
  const Json* const stream = find_stream(*all, options.stream);
  if (stream == nullptr) {
    return context.fail(kRefused, fmt::format("there is no stream {}", options.stream));
  }
  const auto end = (*stream)["next"].get<std::uint64_t>();
  std::uint64_t from = std::max((*stream)["first"].get<std::uint64_t>(), options.from);
  std::uint64_t left = options.limit;
  while (from < end && left > 0) {
    const auto page = context.get(
        fmt::format("/api/v1/streams/{}/records?encoding=base64&from={}&limit={}",
                    percent_encoded(options.stream), from, std::min({left, kPage, end - from})));
    if (!page) return;
    for (const auto& record : (*page)["records"]) {
      fmt::print("{}\n", record.dump());
      if (!record.contains("gap")) --left;
    }
    const auto next = (*page)["next"].get<std::uint64_t>();
    if (next <= from) break;
    from = next;
  }
  if (std::fflush(stdout) != 0) context.fail(kRefused, "standard output cannot be written");
}

class Import {
 public:
  Import(Context& context, const std::string& stream, std::string source)
      : context_(context),
        path_(fmt::format("/api/v1/streams/{}/records", percent_encoded(stream))),
        source_(std::move(source)) {}

  void run(std::istream& input) {
    std::string line(kMaxLine + 1, '\0');
    while (input.getline(line.data(), static_cast<std::streamsize>(line.size()))) {
      const auto length = static_cast<std::size_t>(input.gcount()) - (input.eof() ? 0 : 1);
      const std::string_view text(line.data(), length);
      if (!body_.empty() && body_.size() + text.size() > kBodyBytes && !send()) return;
      body_.append(text).push_back('\n');
      ++lines_;
    }
    if (!input.eof()) {
      const bool too_long = input.gcount() > 0;
      return complain(first_ + lines_, too_long ? fmt::format("longer than {} bytes", kMaxLine - 1)
                                                : std::string("cannot be read"));
    }
    if (!body_.empty() && !send()) return;
    context_.print(Json{{"imported", imported_}, {"gaps", gaps_}}, [](const Json& done) {
      return fmt::format("{} record(s) imported\n", text(done, "imported"));
    });
  }

 private:
  // False when it has been said why not.
  bool send() {
    Reply reply = context_.request("POST", path_, body_);
    for (int i = 0; reply.error.empty() && reply.status == 409 && i < kBusyPauses; ++i) {
      std::this_thread::sleep_for(kBusyPause);
      reply = context_.request("POST", path_, body_);
    }
    if (!reply.error.empty() && imported_ + gaps_ > 0) {
      context_.fail(kUnreachable,
                    fmt::format("the daemon did not answer ({}); {} record(s) are imported, lines "
                                "{} to {} of {} perhaps",
                                reply.error, imported_, first_, first_ + lines_ - 1, source_));
      return false;
    }
    const auto document = Json::parse(reply.body, nullptr, false);
    if (reply.error.empty() && reply.status / 100 != 2 && document.is_object()) {
      complain(first_ - 1 + document.value("line", std::uint64_t{1}), text(document, "error"));
      return false;
    }
    const auto answer = context_.take(reply);
    if (!answer) return false;
    imported_ += (*answer)["imported"].get<std::uint64_t>();
    gaps_ += (*answer)["gaps"].get<std::uint64_t>();
    first_ += lines_;
    lines_ = 0;
    body_.clear();
    return true;
  }

  void complain(std::uint64_t line, const std::string& what) {
    context_.fail(kRefused,
                  fmt::format("{}:{}: {}; {} record(s) are imported, those before line {}", source_,
                              line, what, imported_, first_));
  }

  Context& context_;
  const std::string path_;
  const std::string source_;
  std::string body_;
  std::uint64_t first_ = 1;  // number of the first line in body_
  std::uint64_t lines_ = 0;  // in body_
  std::uint64_t imported_ = 0;
  std::uint64_t gaps_ = 0;
};

void import_records(Context& context, const std::string& stream, const std::string& file) {
  if (file == "-") return Import(context, stream, "standard input").run(std::cin);
  std::ifstream input(file, std::ios::binary);
  if (!input) return context.fail(kRefused, fmt::format("{} cannot be read", file));
  Import(context, stream, file).run(input);
}

}  // namespace

void add_stream_copy(CLI::App& noun, Context& context) {
  auto* export_command = noun.add_subcommand("export", "records as JSON, one a line");
  const auto options = std::make_shared<ExportOptions>();
  export_command->add_option("stream", options->stream, "its name")->required();
  export_command->add_option("--from", options->from, "first sequence number [the oldest record]");
  export_command->add_option("--limit", options->limit, "records at most [all there are now]");
  export_command->callback([&context, options] { export_records(context, *options); });

  auto* import_command =
      noun.add_subcommand("import", "append records that export has written, as new ones");
  const auto stream = std::make_shared<std::string>();
  const auto file = std::make_shared<std::string>();
  import_command->add_option("stream", *stream, "its name")->required();
  import_command->add_option("file", *file, "a JSON record a line; - is standard input")
      ->required();
  import_command->callback([&context, stream, file] { import_records(context, *stream, *file); });
}

}  // namespace tg::ctl
