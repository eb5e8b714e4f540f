// CBOR (RFC 8949) written by hand into a string. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tg::uplink {

void append_cbor_unsigned(std::string& out, std::uint64_t value);
void append_cbor_integer(std::string& out, std::int64_t value);
// A text string. Bytes that are not UTF-8 become U+FFFD.
void append_cbor_text(std::string& out, std::string_view text);
void append_cbor_bytes(std::string& out, std::string_view bytes);
// A map of so many pairs; they follow.
void append_cbor_map(std::string& out, std::uint64_t pairs);

// The payload as a CBOR value: the same value when it is one valid JSON text (as append_payload()
// takes it; an integer beyond 64 bits becomes a double), else a byte string.
void append_cbor_payload(std::string& out, std::string_view payload);

inline constexpr char kCborOpenArray = static_cast<char>(0x9F);  // of unknown length …
inline constexpr char kCborBreak = static_cast<char>(0xFF);      // … up to here

}  // namespace tg::uplink
