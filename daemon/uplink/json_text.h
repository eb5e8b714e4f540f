// JSON written by hand into a string, and other people's JSON taken over into it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tg::uplink {

// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD.
void append_json_string(std::string& out, std::string_view text);

// The text, each byte replaced by U+FFFD that is above 0x7F in a text that is not UTF-8.
[[nodiscard]] std::string valid_utf8(std::string_view text);

// One valid JSON text (RFC 8259, UTF-8, at most 1024 levels deep, no number beyond a double's
// range).
[[nodiscard]] bool is_json(std::string_view payload);

// The payload as a JSON value: itself, without the white space between its tokens (so never with a
// line end), when is_json(); else {"base64":"…"}.
void append_payload(std::string& out, std::string_view payload);

}  // namespace tg::uplink
