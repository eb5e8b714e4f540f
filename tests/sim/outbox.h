// What a device has published at QoS 1 and 2 and not yet been answered to the end. No I/O: packets
// are appended to the bytes to send.
//
//   QoS 1   PUBLISH → PUBACK
//   QoS 2   PUBLISH → PUBREC, PUBREL → PUBCOMP
//
// From PUBACK or PUBREC on the gateway owns the message ([MQTT-4.3.2-2], [MQTT-4.3.3-2]). After a
// lost connection what is under way goes again, in its order: PUBREL where PUBREC was had, PUBLISH
// with DUP otherwise ([MQTT-4.4.0-1]).
//
// Limits: kMax messages, kWindow of them under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "tests/sim/plan.h"
#include "tests/sim/wire.h"

namespace tg::sim {

// What an answer of the gateway means for a message.
struct Answered {
  std::uint32_t track = 0;
  std::uint64_t n = 0;
  bool is_owned = false;  // by the gateway, from now on
  bool is_done = false;   // no answer is awaited any more
};

class Outbox {
 public:
  static constexpr std::size_t kMax = 10'000;
  static constexpr std::size_t kWindow = 64;
  static constexpr std::uint16_t kMaxPacketId = 65534;

  [[nodiscard]] bool has_room() const { return messages_.size() < kMax; }
  // track: of the plan, which outlives this; has_room().
  void push(const Track& track, std::uint64_t n, std::string payload);
  // What has not been sent and fits the window.
  void send(std::string& out);
  // On a new connection, before anything else.
  void send_again(std::string& out);
  // PUBACK, PUBREC (which is answered) or PUBCOMP; nothing when no message awaits it.
  std::optional<Answered> take(const wire::Packet& answer, std::string& out);

 private:
  enum class Phase : std::uint8_t { kPublished, kReleased, kDone };
  struct Message {
    const Track* track = nullptr;
    std::uint64_t n = 0;
    std::string payload;
    std::uint16_t packet_id = 0;
    Phase phase = Phase::kPublished;
  };

  static void put(std::string& out, const Message& message, bool dup);
  Message* under_way(std::uint16_t packet_id);
  void drop_done();

  std::deque<Message> messages_;  // oldest first; the first in_flight_ have been sent
  std::size_t in_flight_ = 0;
  std::uint16_t last_packet_id_ = 0;
};

}  // namespace tg::sim
