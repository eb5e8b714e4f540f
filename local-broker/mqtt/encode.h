// Packets to bytes, as a server sends them. Everything is appended to `out`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/mqtt/packet.h"

namespace tg::mqtt {

// The same packet serves many receivers: only these bytes differ between them.
struct PublishLayout {
  std::size_t packet_id_at = 0;  // offset of the two bytes; 0 at QoS 0
};

// `code` is the return code before version 5, the reason code in it.
void append_connack(std::string& out, Version version, bool session_present, std::uint8_t code);
// properties: raw bytes, used by version 5 only.
PublishLayout append_publish(std::string& out, Version version, const Publish& publish);
void append_suback(std::string& out, Version version, std::uint16_t packet_id,
                   const std::vector<std::uint8_t>& codes);
// `filters`: version 5 answers each one.
void append_unsuback(std::string& out, Version version, std::uint16_t packet_id,
                     std::size_t filters);

// PUBACK, PUBREC, PUBREL or PUBCOMP with reason 0: the same four bytes in every version.
[[nodiscard]] std::array<char, 4> encode_ack(PacketType type, std::uint16_t packet_id);
inline constexpr std::string_view kPingrespBytes{"\xD0\x00", 2};

}  // namespace tg::mqtt
