#include "tests/sim/wire.h"

#include <algorithm>

namespace tg::sim::wire {
namespace {

constexpr std::uint8_t kSubscriptionRefused = 0x80;

char byte(std::size_t value) { return static_cast<char>(static_cast<std::uint8_t>(value)); }

std::uint16_t number(std::string_view two) {
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(two[0]) << 8 |
                                    static_cast<std::uint8_t>(two[1]));
}

void put_u16(std::string& out, std::size_t value) {
  out += byte(value >> 8);
  out += byte(value);
}

void put_string(std::string& out, std::string_view text) {
  put_u16(out, text.size());
  out += text;
}

void put_header(std::string& out, Type type, std::uint8_t flags, std::size_t length) {
  out += byte(static_cast<std::size_t>(type) << 4 | flags);
  while (length > 127) {
    out += byte(length | 0x80);
    length >>= 7;
  }
  out += byte(length);
}

}  // namespace

void put_connect(std::string& out, std::string_view client_id, std::uint16_t keep_alive_s,
                 bool clean_session) {
  put_header(out, Type::kConnect, 0, 10 + 2 + client_id.size());
  put_string(out, "MQTT");
  out += byte(4);
  out += byte(clean_session ? 2 : 0);
  put_u16(out, keep_alive_s);
  put_string(out, client_id);
}

void put_publish(std::string& out, const Publish& publish) {
  const auto flags = static_cast<std::uint8_t>((publish.dup ? 8U : 0U) | publish.qos * 2U);
  const std::size_t id_size = publish.qos > 0 ? 2 : 0;
  put_header(out, Type::kPublish, flags,
             2 + publish.topic.size() + id_size + publish.payload.size());
  put_string(out, publish.topic);
  if (publish.qos > 0) put_u16(out, publish.packet_id);
  out += publish.payload;
}

void put_answer(std::string& out, Type type, std::uint16_t packet_id) {
  put_header(out, type, type == Type::kPubRel ? 2 : 0, 2);  // [MQTT-3.6.1-1]
  put_u16(out, packet_id);
}

void put_subscribe(std::string& out, std::uint16_t packet_id, const std::vector<Filter>& filters) {
  std::size_t length = 2;
  for (const auto& filter : filters) length += 2 + filter.topic.size() + 1;
  put_header(out, Type::kSubscribe, 2, length);
  put_u16(out, packet_id);
  for (const auto& filter : filters) {
    put_string(out, filter.topic);
    out += byte(filter.qos);
  }
}

void put_pingreq(std::string& out) { put_header(out, Type::kPingReq, 0, 0); }

void put_disconnect(std::string& out) { put_header(out, Type::kDisconnect, 0, 0); }

void Framer::feed(std::string_view bytes) {
  buffer_.erase(0, position_);
  position_ = 0;
  buffer_ += bytes;
}

std::optional<Packet> Framer::next() {
  const std::string_view rest = std::string_view(buffer_).substr(position_);
  if (malformed_ || rest.empty()) return std::nullopt;
  std::size_t length = 0;
  std::size_t used = 1;
  for (;; ++used) {
    if (used == rest.size()) return std::nullopt;
    if (used == 5) {
      malformed_ = true;
      return std::nullopt;
    }
    const auto digit = static_cast<std::uint8_t>(rest[used]);
    length |= static_cast<std::size_t>(digit & 0x7F) << (7 * (used - 1));
    if ((digit & 0x80) == 0) break;
  }
  ++used;
  if (rest.size() - used < length) return std::nullopt;
  const auto first = static_cast<std::uint8_t>(rest[0]);
  position_ += used + length;
  return Packet{static_cast<Type>(first >> 4), static_cast<std::uint8_t>(first & 0x0F),
                rest.substr(used, length)};
}

void Framer::reset() { *this = Framer(); }

std::optional<ConnAck> parse_connack(const Packet& packet) {
  if (packet.body.size() != 2) return std::nullopt;
  return ConnAck{(packet.body[0] & 1) != 0, static_cast<std::uint8_t>(packet.body[1])};
}

std::optional<Publish> parse_publish(const Packet& packet) {
  Publish publish;
  publish.qos = (packet.flags >> 1) & 3;
  publish.dup = (packet.flags & 8) != 0;
  if (publish.qos > 2 || packet.body.size() < 2) return std::nullopt;
  const std::size_t topic_size = number(packet.body);
  const std::size_t id_size = publish.qos > 0 ? 2 : 0;
  if (packet.body.size() < 2 + topic_size + id_size) return std::nullopt;
  publish.topic = packet.body.substr(2, topic_size);
  if (id_size > 0) publish.packet_id = number(packet.body.substr(2 + topic_size));
  publish.payload = packet.body.substr(2 + topic_size + id_size);
  return publish;
}

std::optional<std::uint16_t> parse_packet_id(const Packet& packet) {
  if (packet.body.size() < 2) return std::nullopt;
  return number(packet.body);
}

bool suback_accepted(const Packet& packet) {
  return packet.body.size() > 2 &&
         std::none_of(packet.body.begin() + 2, packet.body.end(), [](char code) {
           return static_cast<std::uint8_t>(code) == kSubscriptionRefused;
         });
}

bool matches(std::string_view filter, std::string_view topic) {
  for (;;) {
    if (filter == "#") return true;
    const std::size_t filter_end = std::min(filter.find('/'), filter.size());
    const std::size_t topic_end = std::min(topic.find('/'), topic.size());
    const std::string_view level = filter.substr(0, filter_end);
    if (level != "+" && level != topic.substr(0, topic_end)) return false;
    const bool filter_done = filter_end == filter.size();
    if (topic_end == topic.size()) return filter_done || filter.substr(filter_end) == "/#";
    if (filter_done) return false;
    filter.remove_prefix(filter_end + 1);
    topic.remove_prefix(topic_end + 1);
  }
}

}  // namespace tg::sim::wire
