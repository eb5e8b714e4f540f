// Bytes to packets, as a server receives them. No I/O, no allocation but the caller's vector; any
// input is safe.
//
//   packet := type:4 flags:4, remaining length (1-4 bytes, 7 bits each, low first), body
//
// What depends on the protocol takes the version that CONNECT has settled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "local-broker/mqtt/packet.h"

namespace tg::mqtt {

struct Frame {
  PacketType type = PacketType::kConnect;
  std::uint8_t flags = 0;
  std::string_view body;
  std::size_t size = 0;  // with its header
};

enum class FrameState : std::uint8_t { kComplete, kPartial, kMalformed };

// Cuts the first packet off. kMalformed sets `fault`; a packet above max_packet_size (header
// included) is malformed as soon as its length is known.
[[nodiscard]] FrameState split_frame(std::string_view bytes, std::size_t max_packet_size,
                                     Frame& frame, Fault& fault);

// On kProtocolLevel the protocol's name was right and the answer is CONNACK with code 1
// [MQTT-3.1.2-2]. The will's topic is validated, its properties and those of the packet are not.
[[nodiscard]] Fault decode_connect(std::string_view body, Connect& connect);

// The topic is not validated: who has seen it before need not look again (is_valid_topic_name).
// Neither are the properties (read_publish_properties).
[[nodiscard]] Fault decode_publish(Version version, std::uint8_t flags, std::string_view body,
                                   Publish& publish);

// PUBACK, PUBREC, PUBREL, PUBCOMP.
[[nodiscard]] Fault decode_ack(Version version, const Frame& frame, Ack& ack);

// Filters are validated, those of shared subscriptions taken apart. `filters` is cleared first.
[[nodiscard]] Fault decode_subscribe(Version version, const Frame& frame, FiltersHead& head,
                                     std::vector<FilterRequest>& filters);
[[nodiscard]] Fault decode_unsubscribe(Version version, const Frame& frame, FiltersHead& head,
                                       std::vector<FilterRequest>& filters);

[[nodiscard]] Fault decode_disconnect(Version version, const Frame& frame, Disconnect& disconnect);

// PINGREQ: flags and body are empty.
[[nodiscard]] Fault decode_empty(const Frame& frame);

}  // namespace tg::mqtt
