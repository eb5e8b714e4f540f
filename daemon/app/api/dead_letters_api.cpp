// The dead-letter queue: list, show, replay, purge, export; and `unblock` of an export that the
// cloud has refused too often, or of a processor whose plugin has failed too often.
//
//   GET  /api/v1/dead-letters?from=ID&limit=N   {"count", "letters": […], "next": ID or 0}
//   GET  /api/v1/dead-letters/{id}              one letter
//   POST /api/v1/dead-letters/replay            {"ids": [ID, …]} or {"all": true} → {"replayed": N}
//   POST /api/v1/dead-letters/purge             the same → {"purged": N}
//   POST /api/v1/exports/{export}/unblock       {"unblocked": NAME}; takes a processor's name, too
// A letter: {"id", "stream", "reader", "epoch", "seq", "reason", "first_error", "last_error",
// "attempts", "record": {…}}; with encoding=base64 the payload always as {"base64": …}.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/app/api/api.h"
#include "daemon/app/record_json.h"
#include "daemon/base/bytes.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;
using pipeline::DeadLetters;
using pipeline::Letter;

constexpr std::uint64_t kMaxLetters = 1000;
constexpr std::uint64_t kStandardLetters = 100;

ordered_json letter_json(const Letter& letter, bool as_base64) {
  auto record = record_json(letter.record, letter.cause.seq);
  record.erase("seq");
  if (as_base64) record["payload"] = {{"base64", base64(letter.record.payload)}};
  return {{"id", letter.id},
          {"stream", letter.cause.stream},
          {"reader", letter.cause.reader},
          {"epoch", letter.cause.epoch},
          {"seq", letter.cause.seq},
          {"reason", letter.cause.reason},
          {"first_error", letter.cause.first_ms},
          {"last_error", letter.cause.last_ms},
          {"attempts", letter.cause.attempts},
          {"record", std::move(record)}};
}

void answer_list(DeadLetters& queue, const AdminRequest& request, const AdminReply& reply) {
  const auto from = request.number("from", 0, UINT64_MAX);
  const auto limit = request.number("limit", kStandardLetters, kMaxLetters);
  if (!from || !limit) return reply(error_answer(!from ? from.error() : limit.error()));
  const bool as_base64 = request.parameter("encoding") == "base64";
  const auto letters = std::make_shared<ordered_json>(ordered_json::array());
  queue.list(
      *from, *limit,
      [letters, as_base64](const Letter& letter) {
        letters->push_back(letter_json(letter, as_base64));
      },
      [letters, reply, count = queue.count()](const Result<store::Seq>& next) {
        if (!next) return reply(error_answer(next.error()));
        reply(json_answer({{"count", count}, {"letters", std::move(*letters)}, {"next", *next}}));
      });
}

void answer_one(DeadLetters& queue, const AdminRequest& request, const AdminReply& reply) {
  const auto id = request.number("id", 0, UINT64_MAX);
  if (!id) return reply(error_answer(id.error()));
  const bool as_base64 = request.parameter("encoding") == "base64";
  const auto found = std::make_shared<ordered_json>();
  queue.list(
      *id, 1,
      [found, as_base64, id = *id](const Letter& letter) {
        if (letter.id == id) *found = letter_json(letter, as_base64);
      },
      [found, reply, id = *id](const Result<store::Seq>& next) {
        if (!next) return reply(error_answer(next.error()));
        if (found->is_null()) return reply(error_answer(404, fmt::format("no letter {}", id)));
        reply(json_answer(*found));
      });
}

// {"ids": […]} or {"all": true}; all = an empty list.
Result<std::vector<store::Seq>> ids_of(const std::string& body) {
  const auto document = nlohmann::json::parse(body, nullptr, false);
  std::vector<store::Seq> ids;
  if (!document.is_object()) return fail(ErrorCode::kInvalid, "the body must be a JSON object");
  const auto all = document.find("all");
  if (all != document.end() && *all == true) return ids;
  const auto list = document.find("ids");
  const bool sound = list != document.end() && list->is_array() && !list->empty() &&
                     std::all_of(list->begin(), list->end(),
                                 [](const nlohmann::json& id) { return id.is_number_unsigned(); });
  if (!sound)
    return fail(ErrorCode::kInvalid, "the body must be {\"ids\": [1, …]} or {\"all\": true}");
  for (const auto& id : *list) ids.push_back(id.get<store::Seq>());
  return ids;
}

void replay(DeadLetters& queue, const AdminRequest& request, const AdminReply& reply) {
  auto ids = ids_of(request.body);
  if (!ids) return reply(error_answer(ids.error()));
  queue.replay(std::move(*ids), [reply](const Result<std::uint64_t>& count) {
    reply(count ? json_answer({{"replayed", *count}}) : error_answer(count.error()));
  });
}

void purge(DeadLetters& queue, const AdminRequest& request, const AdminReply& reply) {
  const auto ids = ids_of(request.body);
  if (!ids) return reply(error_answer(ids.error()));
  const auto count = queue.purge(*ids);
  reply(count ? json_answer({{"purged", *count}}) : error_answer(count.error()));
}

void unblock(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  const std::string& name = request.parameter("export");
  bool found = parts.plugins != nullptr && parts.plugins->unblock(name);
  for (auto* uplink : parts.uplinks) found = uplink->unblock(name) || found;
  if (found) return reply(json_answer({{"unblocked", name}}));
  reply(error_answer(404, fmt::format("there is no export and no processor {}", name)));
}

}  // namespace

void add_dead_letters_api(AdminRoutes& routes, const PartsNow& parts) {
  const auto add = [&](const char* method, const char* path, Access access, auto function) {
    routes.add(method, path, access,
               [parts, function](const AdminRequest& request, AdminReply reply) {
                 auto* queue = parts().dead_letters;
                 if (queue == nullptr) return reply(error_answer(503, "the store is not open"));
                 function(*queue, request, reply);
               });
  };
  add("GET", "/api/v1/dead-letters", Access::kRead, answer_list);
  add("GET", "/api/v1/dead-letters/{id}", Access::kRead, answer_one);
  add("POST", "/api/v1/dead-letters/replay", Access::kChange, replay);
  add("POST", "/api/v1/dead-letters/purge", Access::kChange, purge);
  routes.add("POST", "/api/v1/exports/{export}/unblock", Access::kChange,
             [parts](const AdminRequest& request, const AdminReply& reply) {
               unblock(parts(), request, reply);
             });
}

}  // namespace tg::app
