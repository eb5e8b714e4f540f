// The streams: GET /api/v1/streams, GET /api/v1/streams/{stream}/records (a look at what is stored;
// no reader moves).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "daemon/app/api/api.h"
#include "daemon/app/record_json.h"
#include "daemon/app/status.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kMaxRecords = 1000;
constexpr std::uint64_t kStandardRecords = 10;
constexpr std::size_t kReadBytes = 256 * 1024;

std::optional<store::StreamId> find_stream(const store::Store& store, const std::string& name) {
  for (std::size_t i = 0; i < store.stream_count(); ++i) {
    const auto id = static_cast<store::StreamId>(i);
    if (store.status(id).name == name) return id;
  }
  return std::nullopt;
}

AdminAnswer records_answer(const std::string& stream, Result<store::Chunk> chunk,
                           std::uint64_t limit) {
  if (!chunk) return error_answer(chunk.error());
  auto records = ordered_json::array();
  if (chunk->first > chunk->asked && !chunk->records.empty()) {
    records.push_back(
        {{"gap",
          {{"first", chunk->asked}, {"last", chunk->first - 1}, {"reason", chunk->gap_reason}}}});
  }
  store::Seq seq = chunk->first;
  for (const auto& record : chunk->records) {
    if (seq - chunk->first >= limit) break;
    records.push_back(record_json(record, seq++));
  }
  return json_answer({{"stream", stream}, {"records", std::move(records)}, {"next", seq}});
}

void answer_records(const Parts& parts, const AdminRequest& request, AdminReply reply) {
  const std::string& name = request.parameter("stream");
  const auto stream = find_stream(*parts.store, name);
  if (!stream) return reply(error_answer(404, fmt::format("there is no stream {}", name)));
  const auto status = parts.store->status(*stream);
  const auto limit = request.number("limit", kStandardRecords, kMaxRecords);
  if (!limit) return reply(error_answer(limit.error()));
  // Without `from`, the newest ones.
  const auto stored = status.next - status.first;
  const auto from =
      request.number("from", status.next - std::min<std::uint64_t>(stored, *limit), UINT64_MAX);
  if (!from) return reply(error_answer(from.error()));
  parts.store->read(*stream, *from, kReadBytes,
                    [name, limit = *limit, reply = std::move(reply)](Result<store::Chunk> chunk) {
                      reply(records_answer(name, std::move(chunk), limit));
                    });
}

}  // namespace

void add_streams_api(AdminRoutes& routes, const PartsNow& parts) {
  routes.add("GET", "/api/v1/streams", Access::kOpen,
             [parts](const AdminRequest&, AdminReply reply) {
               auto status = status_json(parts());
               reply(json_answer({{"streams", status["streams"]}, {"readers", status["readers"]}}));
             });
  routes.add("GET", "/api/v1/streams/{stream}/records", Access::kRead,
             [parts](const AdminRequest& request, AdminReply reply) {
               answer_records(parts(), request, std::move(reply));
             });
}

}  // namespace tg::app
