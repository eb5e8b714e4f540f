#include "daemon/uplink/json_text.h"

#include <simdjson.h>

#include <array>
#include <nlohmann/json.hpp>

#include "daemon/base/bytes.h"

namespace tg::uplink {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void append_control(std::string& out, unsigned char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 0xF];
  }
}

// simdjson reads a little beyond the end of its input: the payload in a buffer that allows it.
std::string_view padded(std::string_view payload) {
  thread_local std::string buffer;
  constexpr std::size_t kKept = 256 * 1024;
  if (buffer.capacity() > kKept) std::string().swap(buffer);
  buffer.reserve(payload.size() + simdjson::SIMDJSON_PADDING);
  buffer.assign(payload);
  return buffer;
}

void append_minified(std::string& out, std::string_view json) {
  const std::size_t start = out.size();
  // minify() writes whole vectors, up to one beyond what it keeps.
  out.resize(start + json.size() + simdjson::SIMDJSON_PADDING);
  std::size_t size = 0;
  const auto error = simdjson::minify(json.data(), json.size(), out.data() + start, size);
  if (error != simdjson::SUCCESS) size = 0;  // not after is_json()
  out.resize(start + size);
}

}  // namespace

bool is_json(std::string_view payload) {
  if (payload.substr(0, kByteOrderMark.size()) == kByteOrderMark) return false;
  // simdjson 3.0 takes a NUL after a number for white space.
  if (payload.find('\0') != std::string_view::npos) return false;
  thread_local simdjson::dom::parser parser;
  const std::string_view text = padded(payload);
  const auto error = parser.parse(text.data(), text.size(), false).error();
  // An integer of more than 64 bits is valid JSON all the same.
  if (error == simdjson::NUMBER_ERROR) return nlohmann::json::accept(payload);
  return error == simdjson::SUCCESS;
}

std::string valid_utf8(std::string_view text) {
  if (simdjson::validate_utf8(text.data(), text.size())) return std::string(text);
  std::string out;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else {
      out += kReplacement;
    }
  }
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  const bool utf8 = simdjson::validate_utf8(text.data(), text.size());
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      append_control(out, byte);
    } else if (byte >= 0x80 && !utf8) {
      out += kReplacement;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_payload(std::string& out, std::string_view payload) {
  if (is_json(payload)) {
    append_minified(out, payload);
    return;
  }
  out += "{\"base64\":\"";
  out += base64(payload);
  out += "\"}";
}

}  // namespace tg::uplink
