// The MQTT that a load generator speaks, apart from the broker's own codec on purpose: a mistake
// there cannot hide behind itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tests/tools/mqttload/options.h"

namespace tg::load {

enum class Type : std::uint8_t {
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSuback = 9,
  kDisconnect = 14,
};

// These append one packet.
void put_connect(std::string& out, const Options& options, std::string_view client_id);
void put_subscribe(std::string& out, const Options& options, std::uint16_t packet_id,
                   std::span<const std::string> filters);
void put_ack(std::string& out, Type type, std::uint16_t packet_id);
void put_disconnect(std::string& out);

// What a payload begins with.
struct Stamp {
  std::uint64_t time_ns = 0;
  std::uint32_t sequence = 0;
  std::uint32_t publisher = 0;
};

// A PUBLISH laid out once; only the packet id and the stamp change.
class PublishForm {
 public:
  PublishForm(const Options& options, std::string_view topic);
  void put(std::string& out, std::uint16_t packet_id, const Stamp& stamp) const;

 private:
  std::string packet_;
  std::size_t packet_id_at_ = 0;  // 0 = none
  std::size_t payload_at_ = 0;
};

struct Packet {
  Type type = Type::kConnack;
  std::uint8_t flags = 0;
  std::string_view body;
};

enum class Cut : std::uint8_t { kPacket, kPartial, kMalformed };
// Takes the first packet off `bytes`.
Cut cut_packet(std::string_view& bytes, Packet& packet);

struct Delivery {
  std::uint8_t qos = 0;
  std::uint16_t packet_id = 0;
  bool stamped = false;
  Stamp stamp;
};
// False when the body is malformed.
bool read_publish(const Packet& packet, bool v5, Delivery& delivery);
// The id at the body's start; the body has two bytes at least.
[[nodiscard]] std::uint16_t packet_id_of(const Packet& packet);
// An acknowledgement of MQTT 5 that says no.
[[nodiscard]] bool is_refusal(const Packet& packet);
// False when a filter was refused.
[[nodiscard]] bool suback_accepted(const Packet& packet, bool v5);

}  // namespace tg::load
