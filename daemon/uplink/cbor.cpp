#include "daemon/uplink/cbor.h"

#include <nlohmann/json.hpp>

#include "daemon/uplink/json_text.h"

namespace tg::uplink {

namespace {

enum class Major : std::uint8_t { kUnsigned = 0, kNegative = 1, kBytes = 2, kText = 3, kMap = 5 };

void append_head(std::string& out, Major major, std::uint64_t value) {
  const auto type = static_cast<unsigned>(major) << 5;
  int bytes = 0;
  if (value < 24) {
    out += static_cast<char>(type | value);
    return;
  }
  if (value <= 0xFF) {
    out += static_cast<char>(type | 24U);
    bytes = 1;
  } else if (value <= 0xFFFF) {
    out += static_cast<char>(type | 25U);
    bytes = 2;
  } else if (value <= 0xFFFFFFFF) {
    out += static_cast<char>(type | 26U);
    bytes = 4;
  } else {
    out += static_cast<char>(type | 27U);
    bytes = 8;
  }
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xFF);
  }
}

}  // namespace

void append_cbor_unsigned(std::string& out, std::uint64_t value) {
  append_head(out, Major::kUnsigned, value);
}

void append_cbor_integer(std::string& out, std::int64_t value) {
  if (value >= 0) return append_cbor_unsigned(out, static_cast<std::uint64_t>(value));
  append_head(out, Major::kNegative, static_cast<std::uint64_t>(-(value + 1)));
}

void append_cbor_text(std::string& out, std::string_view text) {
  const std::string valid = valid_utf8(text);
  append_head(out, Major::kText, valid.size());
  out += valid;
}

void append_cbor_bytes(std::string& out, std::string_view bytes) {
  append_head(out, Major::kBytes, bytes.size());
  out += bytes;
}

void append_cbor_map(std::string& out, std::uint64_t pairs) {
  append_head(out, Major::kMap, pairs);
}

void append_cbor_payload(std::string& out, std::string_view payload) {
  if (!is_json(payload)) return append_cbor_bytes(out, payload);
  const auto value = nlohmann::json::parse(payload, nullptr, false);
  nlohmann::json::to_cbor(value, out);
}

}  // namespace tg::uplink
