// Packets to bytes, as a server sends them, appended to `out`; a PUBLISH also into room of the
// caller's, since most of what a broker sends are those.
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

// Properties are bytes without their length, used by version 5 only.

// `code` is the return code before version 5, the reason code in it.
void append_connack(std::string& out, Version version, bool session_present, std::uint8_t code,
                    std::string_view properties = {});
PublishLayout append_publish(std::string& out, Version version, const Publish& publish);
[[nodiscard]] std::size_t publish_size(Version version, const Publish& publish);
// `room` has publish_size() bytes.
PublishLayout write_publish(char* room, Version version, const Publish& publish);
void append_suback(std::string& out, Version version, std::uint16_t packet_id,
                   const std::vector<std::uint8_t>& codes, std::string_view properties = {});
// `codes`: version 5 answers each filter.
void append_unsuback(std::string& out, Version version, std::uint16_t packet_id,
                     const std::vector<std::uint8_t>& codes);
// Version 5 only, as the next.
void append_disconnect(std::string& out, Reason reason, std::string_view properties = {});
// PUBACK, PUBREC, PUBREL or PUBCOMP with all it may have.
void append_ack(std::string& out, PacketType type, std::uint16_t packet_id, Reason reason,
                std::string_view properties);
// PUBACK, PUBREC, PUBREL or PUBCOMP of version 5 with a reason that is not 0.
[[nodiscard]] std::array<char, 5> encode_ack(PacketType type, std::uint16_t packet_id,
                                             Reason reason);

// PUBACK, PUBREC, PUBREL or PUBCOMP with reason 0: the same four bytes in every version.
[[nodiscard]] std::array<char, 4> encode_ack(PacketType type, std::uint16_t packet_id);
inline constexpr std::string_view kPingrespBytes{"\xD0\x00", 2};

}  // namespace tg::mqtt
