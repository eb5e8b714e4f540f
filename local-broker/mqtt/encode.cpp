#include "local-broker/mqtt/encode.h"

#include "local-broker/mqtt/wire.h"

namespace tg::mqtt {
namespace {

void put_head(std::string& out, PacketType type, unsigned flags, std::size_t length) {
  out.push_back(static_cast<char>(static_cast<unsigned>(type) << 4U | flags));
  put_variable_integer(out, length);
}

std::size_t variable_integer_size(std::size_t value) {
  std::size_t size = 1;
  for (; value > 0x7F; value >>= 7U) ++size;
  return size;
}

}  // namespace

void append_connack(std::string& out, Version version, bool session_present, std::uint8_t code) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kConnack, 0, v5 ? 3 : 2);
  // [MQTT-3.2.2-4]; 3.1 has no such bit.
  out.push_back(session_present && code == kAccepted && version != Version::k31 ? '\x01' : '\0');
  out.push_back(static_cast<char>(code));
  if (v5) put_variable_integer(out, 0);
}

PublishLayout append_publish(std::string& out, Version version, const Publish& publish) {
  const bool v5 = version == Version::k5;
  std::size_t length = 2 + publish.topic.size() + publish.payload.size();
  if (publish.qos > 0) length += 2;
  if (v5) length += variable_integer_size(publish.properties.size()) + publish.properties.size();
  const unsigned flags = (publish.dup ? 8U : 0U) | static_cast<unsigned>(publish.qos) << 1U |
                         (publish.retain ? 1U : 0U);
  const std::size_t start = out.size();
  put_head(out, PacketType::kPublish, flags, length);
  put_string(out, publish.topic);
  PublishLayout layout;
  if (publish.qos > 0) {
    layout.packet_id_at = out.size() - start;
    put_u16(out, publish.packet_id);
  }
  if (v5) {
    put_variable_integer(out, publish.properties.size());
    out.append(publish.properties);
  }
  out.append(publish.payload);
  return layout;
}

void append_suback(std::string& out, Version version, std::uint16_t packet_id,
                   const std::vector<std::uint8_t>& codes) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kSuback, 0, 2 + (v5 ? 1U : 0U) + codes.size());
  put_u16(out, packet_id);
  if (v5) put_variable_integer(out, 0);
  for (const std::uint8_t code : codes) out.push_back(static_cast<char>(code));
}

void append_unsuback(std::string& out, Version version, std::uint16_t packet_id,
                     std::size_t filters) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kUnsuback, 0, 2 + (v5 ? 1 + filters : 0));
  put_u16(out, packet_id);
  if (!v5) return;
  put_variable_integer(out, 0);
  out.append(filters, '\0');
}

std::array<char, 4> encode_ack(PacketType type, std::uint16_t packet_id) {
  const unsigned flags = type == PacketType::kPubrel ? 2U : 0U;
  return {static_cast<char>(static_cast<unsigned>(type) << 4U | flags), '\x02',
          static_cast<char>(packet_id >> 8U), static_cast<char>(packet_id & 0xFFU)};
}

}  // namespace tg::mqtt
