// The simulator's own MQTT 3.1.1 for the client's side: what a device sends, and what it can
// receive. Written apart from local-broker/mqtt on purpose: a mistake in that codec cannot hide
// behind itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tg::sim::wire {

enum class Type : std::uint8_t {
  kConnect = 1,
  kConnAck = 2,
  kPublish = 3,
  kPubAck = 4,
  kPubRec = 5,
  kPubRel = 6,
  kPubComp = 7,
  kSubscribe = 8,
  kSubAck = 9,
  kPingReq = 12,
  kPingResp = 13,
  kDisconnect = 14,
};

struct Publish {
  std::string_view topic;
  std::string_view payload;
  std::uint8_t qos = 0;
  bool dup = false;
  std::uint16_t packet_id = 0;  // QoS 1 and 2
};

struct Filter {
  std::string topic;
  std::uint8_t qos = 0;
};

struct ConnAck {
  bool session_present = false;
  std::uint8_t code = 0;
};

// These append one packet.
void put_connect(std::string& out, std::string_view client_id, std::uint16_t keep_alive_s,
                 bool clean_session);
void put_publish(std::string& out, const Publish& publish);
// PUBACK, PUBREC, PUBREL or PUBCOMP.
void put_answer(std::string& out, Type type, std::uint16_t packet_id);
void put_subscribe(std::string& out, std::uint16_t packet_id, const std::vector<Filter>& filters);
void put_pingreq(std::string& out);
void put_disconnect(std::string& out);

struct Packet {
  Type type = Type::kConnAck;
  std::uint8_t flags = 0;
  std::string_view body;
};

// Cuts a byte stream into packets. A packet's body is valid until the next feed().
class Framer {
 public:
  void feed(std::string_view bytes);
  // Nothing when more bytes are needed, or after a malformed length.
  std::optional<Packet> next();
  [[nodiscard]] bool malformed() const { return malformed_; }
  void reset();

 private:
  std::string buffer_;
  std::size_t position_ = 0;
  bool malformed_ = false;
};

// Nothing when the body is malformed.
[[nodiscard]] std::optional<ConnAck> parse_connack(const Packet& packet);
[[nodiscard]] std::optional<Publish> parse_publish(const Packet& packet);
// Of PUBACK, PUBREC, PUBREL, PUBCOMP and SUBACK.
[[nodiscard]] std::optional<std::uint16_t> parse_packet_id(const Packet& packet);
// False when the server refused one of the filters.
[[nodiscard]] bool suback_accepted(const Packet& packet);

// [MQTT-4.7.1]: + is one level, # the rest, the parent included.
[[nodiscard]] bool matches(std::string_view filter, std::string_view topic);

}  // namespace tg::sim::wire
