// A stored record as JSON, and back. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/store/store.h"

namespace tg::app {

// For people: {"seq", "time" (ms), "clock", "publisher", "topic", "qos", "retain", "payload"}; the
// payload itself when it is JSON, else {"base64": …}.
[[nodiscard]] nlohmann::ordered_json record_json(const store::Record& record, store::Seq seq);

// For a copy that loses nothing: the payload always in base64, and "tail": its properties as they
// are stored (store/record.h), in base64, if it has any.
[[nodiscard]] nlohmann::ordered_json exact_record_json(const store::Record& record, store::Seq seq);

struct ParsedRecord {
  std::string publisher;
  std::string topic;
  std::string payload;
  std::string tail;
  Timestamp received;
  std::uint8_t qos = 0;
  bool retain = false;
  bool is_gap = false;  // {"gap": …}: no record, but a place where some were missing

  // Into the strings above.
  [[nodiscard]] store::Record view() const;
};

// One of the two above; "seq" counts for nothing, what else is missing but topic and payload has
// its standard value, a time that is missing is `now`.
[[nodiscard]] Result<ParsedRecord> parse_record(std::string_view line, const Timestamp& now);

}  // namespace tg::app
