// The streams:
//
//   GET  /api/v1/streams
//   GET  /api/v1/streams/{stream}/records   a look at what is stored; no reader moves. With
//                                           encoding=base64 exactly as it is
//   POST /api/v1/streams/{stream}/records   appends copies, a JSON record a line; all of them or
//                                           none. 409: not now, again in a moment
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/app/api/api.h"
#include "daemon/app/record_json.h"
#include "daemon/app/status.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kMaxRecords = 1000;
constexpr std::uint64_t kStandardRecords = 10;
constexpr std::size_t kReadBytes = 256 * 1024;

AdminAnswer records_answer(const std::string& stream, const Result<store::Chunk>& chunk,
                           std::uint64_t limit, bool exact) {
  if (!chunk) return error_answer(chunk.error());
  auto records = ordered_json::array();
  if (chunk->first > chunk->asked) {
    records.push_back(
        {{"gap",
          {{"first", chunk->asked}, {"last", chunk->first - 1}, {"reason", chunk->gap_reason}}}});
  }
  store::Seq seq = chunk->first;
  for (const auto& record : chunk->records) {
    if (seq - chunk->first >= limit) break;
    records.push_back(exact ? exact_record_json(record, seq) : record_json(record, seq));
    ++seq;
  }
  return json_answer({{"stream", stream}, {"records", std::move(records)}, {"next", seq}});
}

void answer_records(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  const std::string& name = request.parameter("stream");
  const auto stream = parts.store->stream_named(name);
  if (!stream) return reply(error_answer(404, fmt::format("there is no stream {}", name)));
  const auto status = parts.store->status(*stream);
  const auto limit = request.number("limit", kStandardRecords, kMaxRecords);
  if (!limit) return reply(error_answer(limit.error()));
  // Without `from`, the newest ones.
  const auto stored = status.next - status.first;
  const auto from =
      request.number("from", status.next - std::min<std::uint64_t>(stored, *limit), UINT64_MAX);
  if (!from) return reply(error_answer(from.error()));
  const bool exact = request.parameter("encoding") == "base64";
  parts.store->read(*stream, std::max<store::Seq>(*from, 1), kReadBytes,
                    [name, limit = *limit, exact, reply](const Result<store::Chunk>& chunk) {
                      reply(records_answer(name, chunk, limit, exact));
                    });
}

struct Lines {
  std::vector<ParsedRecord> records;
  std::size_t bytes = 0;
  std::uint64_t gaps = 0;
};

// Empty lines count, so that the numbers are those of the file.
Result<Lines> parse_lines(std::string_view body, const Timestamp& now, std::uint64_t& number) {
  Lines lines;
  for (number = 1; !body.empty(); ++number) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto record = parse_record(line, now);
    if (!record) return tl::unexpected(record.error());
    if (record->is_gap) {
      ++lines.gaps;
      continue;
    }
    lines.bytes += store::record_size_bound(record->view());
    lines.records.push_back(std::move(*record));
  }
  return lines;
}

// Why the stream does not take them; nothing when it does.
std::optional<AdminAnswer> refusal(store::Store& store, store::StreamId stream, std::size_t bytes) {
  switch (store.admit({&stream, 1}, bytes)) {
    case store::Admission::kYes:
      return std::nullopt;
    case store::Admission::kBusy:
      return error_answer(409, "too much waits for its commit");
    case store::Admission::kDiscard:
      return error_answer(507, "the stream is full and drops what is new");
    case store::Admission::kFull:
      break;
  }
  return error_answer(507, "the stream or the disk is full, or commits fail");
}

void append_records(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  auto& store = *parts.store;
  const std::string& name = request.parameter("stream");
  const auto stream = store.stream_named(name);
  if (!stream || name == pipeline::kDeadLetterStream) {
    return reply(error_answer(404, fmt::format("there is no stream {}", name)));
  }
  std::uint64_t number = 0;
  const auto lines = parse_lines(request.body, parts.clock->now(), number);
  if (!lines) {
    return reply(json_answer({{"error", lines.error().message}, {"line", number}}, 400));
  }
  ordered_json answer{{"imported", lines->records.size()}, {"gaps", lines->gaps}};
  if (lines->records.empty()) return reply(json_answer(answer));
  if (auto refused = refusal(store, *stream, lines->bytes)) return reply(std::move(*refused));
  for (const auto& record : lines->records) {
    const auto seq = store.append_copy(*stream, record.view());
    if (!answer.contains("first")) answer["first"] = seq;
  }
  store.after_commit([reply, answer] { reply(json_answer(answer)); });
}

}  // namespace

void add_streams_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/api/v1/streams", Access::kOpen,
             [parts](const AdminRequest&, AdminReply reply) {
               const Parts now = parts();
               reply(json_answer({{"streams", streams_json(now)}, {"readers", readers_json(now)}}));
             });
  routes.add("GET", "/api/v1/streams/{stream}/records", Access::kRead,
             [parts](const AdminRequest& request, const AdminReply& reply) {
               answer_records(parts(), request, reply);
             });
  routes.add("POST", "/api/v1/streams/{stream}/records", Access::kChange,
             [parts](const AdminRequest& request, const AdminReply& reply) {
               append_records(parts(), request, reply);
             });
}

}  // namespace tg::app
