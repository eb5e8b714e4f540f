#include "daemon/app/record_json.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "daemon/base/bytes.h"
#include "daemon/uplink/json_text.h"
#include "local-broker/mqtt/topic.h"

namespace tg::app {
namespace {

using nlohmann::ordered_json;

constexpr std::uint64_t kLatestMs = 253'402'300'799'999;  // the year 9999

bool is_tail(std::string_view bytes) {
  store::TagCursor cursor(bytes);
  store::Tag tag{};
  for (std::string_view value; cursor.next(tag, value);) continue;
  return !cursor.failed();
}

std::optional<std::string> payload_of(const ordered_json& value) {
  if (!value.is_object() || value.size() != 1 || !value.contains("base64")) return value.dump();
  if (!value["base64"].is_string()) return std::nullopt;
  return from_base64(value["base64"].get<std::string>());
}

// Why the member is not what it must be; null when it is, or is missing.
const char* read_members(const ordered_json& document, ParsedRecord& record) {
  for (const auto& [name, value] : document.items()) {
    if (name == "publisher") {
      if (!value.is_string()) return "\"publisher\" must be text";
      record.publisher = value.get<std::string>();
    } else if (name == "time") {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kLatestMs) {
        return "\"time\" must be ms since 1970";
      }
      record.received.wall_ms = value.get<std::int64_t>();
    } else if (name == "clock") {
      if (value != "synced" && value != "unsynced") return "\"clock\" must be synced or unsynced";
      record.received.quality =
          value == "synced" ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
    } else if (name == "qos") {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > 2) {
        return "\"qos\" must be 0, 1 or 2";
      }
      record.qos = value.get<std::uint8_t>();
    } else if (name == "retain") {
      if (!value.is_boolean()) return "\"retain\" must be true or false";
      record.retain = value.get<bool>();
    } else if (name == "tail") {
      auto tail = value.is_string() ? from_base64(value.get<std::string>()) : std::nullopt;
      if (!tail || !is_tail(*tail)) return "\"tail\" is not what export has written";
      record.tail = std::move(*tail);
    }
  }
  return nullptr;
}

}  // namespace

ordered_json record_json(const store::Record& record, store::Seq seq) {
  std::string payload;
  uplink::append_payload(payload, record.payload);
  const bool is_synchronised = record.received.quality == ClockQuality::kSynchronised;
  return {{"seq", seq},
          {"time", record.received.wall_ms},
          {"clock", is_synchronised ? "synced" : "unsynced"},
          {"publisher", std::string(record.publisher)},
          {"topic", std::string(record.topic)},
          {"qos", record.qos},
          {"retain", record.retain},
          {"payload", ordered_json::parse(payload, nullptr, false)}};
}

ordered_json exact_record_json(const store::Record& record, store::Seq seq) {
  store::Record bare = record;
  bare.payload = {};
  auto document = record_json(bare, seq);
  document["payload"] = {{"base64", base64(record.payload)}};
  if (!record.tail.empty()) document["tail"] = base64(record.tail);
  return document;
}

store::Record ParsedRecord::view() const {
  store::Record record;
  record.publisher = publisher;
  record.topic = topic;
  record.payload = payload;
  record.tail = tail;
  record.received = received;
  record.qos = qos;
  record.retain = retain;
  return record;
}

Result<ParsedRecord> parse_record(std::string_view line, const Timestamp& now) {
  const auto document = ordered_json::parse(line, nullptr, false);
  if (!document.is_object()) return fail(ErrorCode::kInvalid, "not a JSON object");
  ParsedRecord record;
  record.received = now;
  if (document.size() == 1 && document.contains("gap")) {
    record.is_gap = true;
    return record;
  }
  if (!document.contains("topic") || !document["topic"].is_string() ||
      !mqtt::is_valid_topic_name(document["topic"].get<std::string>())) {
    return fail(ErrorCode::kInvalid, "\"topic\" must be the name of a topic");
  }
  record.topic = document["topic"].get<std::string>();
  if (!document.contains("payload")) return fail(ErrorCode::kInvalid, "\"payload\" is missing");
  auto payload = payload_of(document["payload"]);
  if (!payload) return fail(ErrorCode::kInvalid, "\"payload\" is not base64");
  record.payload = std::move(*payload);
  if (const char* problem = read_members(document, record)) {
    return fail(ErrorCode::kInvalid, problem);
  }
  return record;
}

}  // namespace tg::app
