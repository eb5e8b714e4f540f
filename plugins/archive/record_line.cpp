#include "plugins/archive/record_line.h"

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <tidegate/plugin.hpp>

namespace archive {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& line, ordered_json::error_handler_t handler) {
  return line.dump(-1, ' ', false, handler);
}

}  // namespace

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= count ? kDigits[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return out;
}

void append_line(std::string& out, const tidegate_record& record) {
  ordered_json line = {{"seq", record.seq},
                       {"time", record.time_ms},
                       {"clock", record.synced != 0 ? "synced" : "unsynced"},
                       {"client", tidegate::view(record.publisher)},
                       {"topic", tidegate::view(record.topic)},
                       {"qos", record.qos},
                       {"retain", record.retain != 0}};
  line["payload"] = tidegate::view(record.payload);
  try {
    out += dump(line, ordered_json::error_handler_t::strict);
  } catch (const ordered_json::type_error&) {  // not UTF-8
    line.erase("payload");
    line["base64"] = base64(tidegate::view(record.payload));
    out += dump(line, ordered_json::error_handler_t::replace);
  }
  out += '\n';
}

}  // namespace archive
