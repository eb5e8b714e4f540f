// What an operator does with a reader of a stream, an export or a processor. Each is answered when
// it is durable:
//
//   POST /api/v1/streams/{stream}/readers/{reader}/pause | resume   {"stream", "reader", "paused"}
//   POST …/rewind   {"to": SEQ or "oldest"} or {"to_time": ms}      {…, "position", "records"}
//   POST …/discard  of one that the configuration names no more     {…, "discarded": true}
//
// A processor is not rewound: what it has counted so far is committed with its position, and a
// record that came a second time would count twice.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>

#include "daemon/app/api/api.h"
#include "daemon/app/record_search.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;
using store::Seq;

struct Target {
  store::Store* store = nullptr;
  std::string stream;
  std::string name;
  store::StreamId stream_id = 0;
  store::ReaderId id = 0;

  [[nodiscard]] ordered_json json() const { return {{"stream", stream}, {"reader", name}}; }
};

// Nothing for one that has been discarded.
std::optional<store::ReaderStatus> status_of(const store::Store& store, const std::string& stream,
                                             const std::string& name) {
  if (stream == pipeline::kDeadLetterStream) return std::nullopt;
  for (auto& reader : store.readers()) {
    if (reader.stream == stream && reader.name == name) return std::move(reader);
  }
  return std::nullopt;
}

Error no_reader(const std::string& stream, const std::string& name) {
  return {ErrorCode::kNotFound, fmt::format("stream {} has no reader {}", stream, name)};
}

// A reader that reads.
Result<Target> find(const Parts& parts, const AdminRequest& request) {
  Target target;
  target.store = parts.store;
  target.stream = request.parameter("stream");
  target.name = request.parameter("reader");
  const auto status = status_of(*parts.store, target.stream, target.name);
  if (!status) return tl::unexpected(no_reader(target.stream, target.name));
  if (status->detached) {
    return fail(ErrorCode::kBusy,
                fmt::format("reader {} of stream {} is detached: the configuration names it no "
                            "more. It can only be discarded",
                            target.name, target.stream));
  }
  target.id = parts.store->find_reader(target.stream, target.name).value();
  target.stream_id = parts.store->find_stream(target.stream);
  return target;
}

void set_paused(const Parts& parts, const AdminRequest& request, const AdminReply& reply,
                bool paused) {
  const auto target = find(parts, request);
  if (!target) return reply(error_answer(target.error()));
  parts.store->set_paused(target->id, paused);
  auto answer = target->json();
  answer["paused"] = paused;
  parts.store->after_commit([reply, answer] { reply(json_answer(answer)); });
}

// In a task of after_commit(): nothing is being deleted meanwhile.
void set_back(const Target& target, Seq to, const AdminReply& reply) {
  const Seq before = target.store->position(target.id);
  if (to >= before) {
    return reply(error_answer(
        400, fmt::format("{} stands at {}: it can be set back from there, not ahead to {}",
                         target.name, before, to)));
  }
  const Seq position = target.store->rewind(target.id, to);
  auto answer = target.json();
  answer["position"] = position;
  answer["records"] = before - position;
  target.store->after_commit([reply, answer] { reply(json_answer(answer)); });
}

void set_back_to_time(const Target& target, std::int64_t wall_ms, const AdminReply& reply) {
  const auto& store = *target.store;
  find_by_time(
      *target.store, target.stream_id, store.status(target.stream_id).first,
      store.position(target.id), wall_ms, [target, reply](const Result<Seq>& to) {
        if (!to) return reply(error_answer(to.error()));
        target.store->after_commit([target, to = *to, reply] { set_back(target, to, reply); });
      });
}

bool is_processor(const Parts& parts, const Target& target) {
  const auto& all = parts.config->processors;
  return std::any_of(all.begin(), all.end(), [&target](const auto& processor) {
    return processor.name == target.name && processor.input == target.stream;
  });
}

void rewind(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  const auto target = find(parts, request);
  if (!target) return reply(error_answer(target.error()));
  if (is_processor(parts, *target)) {
    return reply(error_answer(
        400, fmt::format("{} is a processor: its state is committed with its position, and a "
                         "record that came a second time would count twice. Only exports can be "
                         "set back",
                         target->name)));
  }
  const auto body = nlohmann::json::parse(request.body, nullptr, false);
  const bool is_one = body.is_object() && body.size() == 1;
  if (is_one && body.contains("to_time") && body["to_time"].is_number_unsigned()) {
    return set_back_to_time(*target, body["to_time"].get<std::int64_t>(), reply);
  }
  const bool is_to = is_one && body.contains("to");
  if (!is_to || (body["to"] != "oldest" && !body["to"].is_number_unsigned())) {
    return reply(error_answer(
        400, R"(the body must be {"to": SEQ}, {"to": "oldest"} or {"to_time": ms since 1970})"));
  }
  const Seq to = body["to"] == "oldest" ? 1 : body["to"].get<Seq>();
  parts.store->after_commit([target = *target, to, reply] { set_back(target, to, reply); });
}

void discard(const Parts& parts, const AdminRequest& request, const AdminReply& reply) {
  const std::string& stream = request.parameter("stream");
  const std::string& name = request.parameter("reader");
  if (!status_of(*parts.store, stream, name)) return reply(error_answer(no_reader(stream, name)));
  if (!parts.store->discard_reader(stream, name)) {
    return reply(error_answer(409, fmt::format("reader {} of stream {} is not detached: take it "
                                               "out of the configuration first",
                                               name, stream)));
  }
  parts.store->after_commit([reply, stream, name] {
    reply(json_answer({{"stream", stream}, {"reader", name}, {"discarded", true}}));
  });
}

}  // namespace

void add_readers_api(AdminRoutes& routes, const PartsNow& parts) {
  const auto add = [&](const std::string& what, auto function) {
    routes.add("POST", "/api/v1/streams/{stream}/readers/{reader}/" + what, Access::kChange,
               [parts, function](const AdminRequest& request, const AdminReply& reply) {
                 function(parts(), request, reply);
               });
  };
  add("pause", [](const Parts& now, const AdminRequest& request, const AdminReply& reply) {
    set_paused(now, request, reply, true);
  });
  add("resume", [](const Parts& now, const AdminRequest& request, const AdminReply& reply) {
    set_paused(now, request, reply, false);
  });
  add("rewind", rewind);
  add("discard", discard);
}

}  // namespace tg::app
