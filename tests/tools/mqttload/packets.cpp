#include "tests/tools/mqttload/packets.h"

#include <algorithm>
#include <cstring>

namespace tg::load {
namespace {

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

void put_u16(std::string& out, std::size_t value) {
  out.push_back(static_cast<char>(value >> 8U & 0xFFU));
  out.push_back(static_cast<char>(value & 0xFFU));
}

void put_string(std::string& out, std::string_view text) {
  put_u16(out, text.size());
  out.append(text);
}

void put_length(std::string& out, std::size_t length) {
  for (; length > 0x7F; length >>= 7U) out.push_back(static_cast<char>(length | 0x80U));
  out.push_back(static_cast<char>(length));
}

void put_packet(std::string& out, unsigned head, std::string_view body) {
  out.push_back(static_cast<char>(head));
  put_length(out, body.size());
  out.append(body);
}

// A variable integer at `at`, which is moved behind it. False when it does not end.
bool read_length(std::string_view bytes, std::size_t& at, std::size_t& length) {
  length = 0;
  for (unsigned shift = 0; shift <= 21 && at < bytes.size(); shift += 7) {
    const std::uint8_t byte = byte_at(bytes, at++);
    length |= static_cast<std::size_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) return true;
  }
  return false;
}

}  // namespace

void put_connect(std::string& out, const Options& options, std::string_view client_id) {
  using namespace std::string_view_literals;
  std::string body;
  put_string(body, "MQTT");
  body.push_back(options.v5 ? '\x05' : '\x04');
  const unsigned flags = (options.keep_session ? 0U : 0x02U) |
                         (options.username.empty() ? 0U : 0x80U) |
                         (options.password.empty() ? 0U : 0x40U);
  body.push_back(static_cast<char>(flags));
  put_u16(body, options.keep_alive_s);
  if (options.v5) body += options.keep_session ? "\x05\x11\xFF\xFF\xFF\xFF"sv : "\0"sv;
  put_string(body, client_id);
  if (!options.username.empty()) put_string(body, options.username);
  if (!options.password.empty()) put_string(body, options.password);
  put_packet(out, 0x10, body);
}

void put_subscribe(std::string& out, const Options& options, std::uint16_t packet_id,
                   std::span<const std::string> filters) {
  std::string body;
  put_u16(body, packet_id);
  if (options.v5) put_length(body, 0);
  for (const auto& filter : filters) {
    put_string(body, filter);
    body.push_back(static_cast<char>(options.qos));
  }
  put_packet(out, 0x82, body);
}

void put_ack(std::string& out, Type type, std::uint16_t packet_id) {
  const unsigned flags = type == Type::kPubrel ? 2U : 0U;
  out.push_back(static_cast<char>(static_cast<unsigned>(type) << 4U | flags));
  out.push_back('\x02');
  put_u16(out, packet_id);
}

void put_disconnect(std::string& out) { put_packet(out, 0xE0, {}); }

PublishForm::PublishForm(const Options& options, std::string_view topic) {
  std::string body;
  put_string(body, topic);
  const std::size_t id_at = body.size();
  if (options.qos > 0) put_u16(body, 0);
  if (options.v5) put_length(body, 0);
  const std::size_t payload_at = body.size();
  for (std::size_t i = 0; i < options.size; ++i) body.push_back(static_cast<char>('a' + i % 26));
  put_packet(packet_, 0x30U | options.qos << 1U, body);
  const std::size_t head = packet_.size() - body.size();
  if (options.qos > 0) packet_id_at_ = head + id_at;
  payload_at_ = head + payload_at;
}

void PublishForm::put(std::string& out, std::uint16_t packet_id, const Stamp& stamp) const {
  const std::size_t start = out.size();
  out.append(packet_);
  char* packet = out.data() + start;
  if (packet_id_at_ > 0) {
    packet[packet_id_at_] = static_cast<char>(packet_id >> 8U);
    packet[packet_id_at_ + 1] = static_cast<char>(packet_id & 0xFFU);
  }
  std::memcpy(packet + payload_at_, &stamp, sizeof(stamp));
}

Cut cut_packet(std::string_view& bytes, Packet& packet) {
  if (bytes.size() < 2) return Cut::kPartial;
  std::size_t at = 1;
  std::size_t length = 0;
  if (!read_length(bytes, at, length)) return at > 4 ? Cut::kMalformed : Cut::kPartial;
  if (bytes.size() < at + length) return Cut::kPartial;
  packet.type = static_cast<Type>(byte_at(bytes, 0) >> 4U);
  packet.flags = byte_at(bytes, 0) & 0x0FU;
  packet.body = bytes.substr(at, length);
  bytes.remove_prefix(at + length);
  return Cut::kPacket;
}

bool read_publish(const Packet& packet, bool v5, Delivery& delivery) {
  const auto body = packet.body;
  if (body.size() < 2) return false;
  std::size_t at = 2 + (std::size_t{byte_at(body, 0)} << 8U | byte_at(body, 1));
  delivery.qos = packet.flags >> 1U & 3U;
  if (delivery.qos > 0) {
    if (body.size() < at + 2) return false;
    delivery.packet_id =
        static_cast<std::uint16_t>(byte_at(body, at) << 8U | byte_at(body, at + 1));
    at += 2;
  }
  std::size_t properties = 0;
  if (v5 && !read_length(body, at, properties)) return false;
  at += properties;
  if (at > body.size()) return false;
  delivery.stamped = body.size() - at >= sizeof(Stamp);
  if (delivery.stamped) std::memcpy(&delivery.stamp, body.data() + at, sizeof(Stamp));
  return true;
}

std::uint16_t packet_id_of(const Packet& packet) {
  return static_cast<std::uint16_t>(byte_at(packet.body, 0) << 8U | byte_at(packet.body, 1));
}

bool is_refusal(const Packet& packet) {
  return packet.body.size() > 2 && byte_at(packet.body, 2) >= 0x80;
}

bool suback_accepted(const Packet& packet, bool v5) {
  const auto codes = packet.body.substr(std::min<std::size_t>(packet.body.size(), v5 ? 3 : 2));
  return std::all_of(codes.begin(), codes.end(),
                     [](char code) { return static_cast<std::uint8_t>(code) <= 2; });
}

}  // namespace tg::load
