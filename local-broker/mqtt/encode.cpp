#include "local-broker/mqtt/encode.h"

#include <algorithm>

#include "daemon/base/assert.h"
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

// A list of properties with its length before it.
std::size_t list_size(std::string_view properties) {
  return variable_integer_size(properties.size()) + properties.size();
}
void put_list(std::string& out, std::string_view properties) {
  put_variable_integer(out, properties.size());
  out.append(properties);
}

unsigned flags_of_ack(PacketType type) { return type == PacketType::kPubrel ? 2U : 0U; }

// These write at `at` and return the place behind.
char* write_byte(char* at, std::size_t byte) {
  *at = static_cast<char>(byte);
  return at + 1;
}
char* write_u16(char* at, std::size_t value) {
  return write_byte(write_byte(at, value >> 8U & 0xFFU), value & 0xFFU);
}
char* write_bytes(char* at, std::string_view bytes) {
  return std::copy(bytes.begin(), bytes.end(), at);
}
char* write_variable_integer(char* at, std::size_t value) {
  TG_ASSERT(value <= kMaxVariableInteger);
  for (; value > 0x7F; value >>= 7U) at = write_byte(at, (value & 0x7FU) | 0x80U);
  return write_byte(at, value);
}

// The remaining length.
std::size_t publish_length(Version version, const Publish& publish) {
  std::size_t length = 2 + publish.topic.size() + publish.payload.size();
  if (publish.qos > 0) length += 2;
  if (version == Version::k5) {
    length += list_size(publish.properties);
  }
  return length;
}

}  // namespace

void append_connack(std::string& out, Version version, bool session_present, std::uint8_t code,
                    std::string_view properties) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kConnack, 0, 2 + (v5 ? list_size(properties) : 0));
  // [MQTT-3.2.2-4]; 3.1 has no such bit.
  out.push_back(session_present && code == kAccepted && version != Version::k31 ? '\x01' : '\0');
  out.push_back(static_cast<char>(code));
  if (v5) put_list(out, properties);
}

PublishLayout append_publish(std::string& out, Version version, const Publish& publish) {
  const std::size_t start = out.size();
  out.resize(start + publish_size(version, publish));
  return write_publish(out.data() + start, version, publish);
}

PublishLayout write_publish(char* room, Version version, const Publish& publish) {
  TG_ASSERT(publish.topic.size() <= 0xFFFF);
  const unsigned flags = (publish.dup ? 8U : 0U) | static_cast<unsigned>(publish.qos) << 1U |
                         (publish.retain ? 1U : 0U);
  char* at = write_byte(room, static_cast<unsigned>(PacketType::kPublish) << 4U | flags);
  at = write_variable_integer(at, publish_length(version, publish));
  at = write_u16(at, publish.topic.size());
  at = write_bytes(at, publish.topic);
  PublishLayout layout;
  if (publish.qos > 0) {
    layout.packet_id_at = static_cast<std::size_t>(at - room);
    at = write_u16(at, publish.packet_id);
  }
  if (version == Version::k5) {
    at = write_variable_integer(at, publish.properties.size());
    at = write_bytes(at, publish.properties);
  }
  write_bytes(at, publish.payload);
  return layout;
}

std::size_t publish_size(Version version, const Publish& publish) {
  const std::size_t length = publish_length(version, publish);
  return 1 + variable_integer_size(length) + length;
}

void append_suback(std::string& out, Version version, std::uint16_t packet_id,
                   const std::vector<std::uint8_t>& codes, std::string_view properties) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kSuback, 0, 2 + (v5 ? list_size(properties) : 0) + codes.size());
  put_u16(out, packet_id);
  if (v5) put_list(out, properties);
  for (const std::uint8_t code : codes) out.push_back(static_cast<char>(code));
}

void append_unsuback(std::string& out, Version version, std::uint16_t packet_id,
                     const std::vector<std::uint8_t>& codes) {
  const bool v5 = version == Version::k5;
  put_head(out, PacketType::kUnsuback, 0, 2 + (v5 ? 1 + codes.size() : 0));
  put_u16(out, packet_id);
  if (!v5) return;
  put_variable_integer(out, 0);
  for (const std::uint8_t code : codes) out.push_back(static_cast<char>(code));
}

void append_disconnect(std::string& out, Reason reason, std::string_view properties) {
  put_head(out, PacketType::kDisconnect, 0, 1 + (properties.empty() ? 0 : list_size(properties)));
  out.push_back(static_cast<char>(reason));
  if (!properties.empty()) put_list(out, properties);
}

void append_ack(std::string& out, PacketType type, std::uint16_t packet_id, Reason reason,
                std::string_view properties) {
  put_head(out, type, flags_of_ack(type), 3 + list_size(properties));
  put_u16(out, packet_id);
  out.push_back(static_cast<char>(reason));
  put_list(out, properties);
}

std::array<char, 5> encode_ack(PacketType type, std::uint16_t packet_id, Reason reason) {
  const auto head = encode_ack(type, packet_id);
  return {head[0], '\x03', head[2], head[3], static_cast<char>(reason)};
}

std::array<char, 4> encode_ack(PacketType type, std::uint16_t packet_id) {
  return {static_cast<char>(static_cast<unsigned>(type) << 4U | flags_of_ack(type)), '\x02',
          static_cast<char>(packet_id >> 8U), static_cast<char>(packet_id & 0xFFU)};
}

}  // namespace tg::mqtt
