#include "daemon/app/record_json.h"

#include <nlohmann/json.hpp>
#include <string>

#include "daemon/uplink/json_text.h"

namespace tg::app {

nlohmann::ordered_json record_json(const store::Record& record, store::Seq seq) {
  using nlohmann::ordered_json;
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

}  // namespace tg::app
