#include "tests/sim/outbox.h"

#include <algorithm>
#include <utility>

namespace tg::sim {

void Outbox::push(const Track& track, std::uint64_t n, std::string payload) {
  last_packet_id_ = static_cast<std::uint16_t>(last_packet_id_ % kMaxPacketId + 1);
  messages_.push_back({&track, n, std::move(payload), last_packet_id_});
}

void Outbox::put(std::string& out, const Message& message, bool dup) {
  const Track& track = *message.track;
  wire::put_publish(out, {track.topic, message.payload, track.qos, dup, message.packet_id});
}

void Outbox::send(std::string& out) {
  while (in_flight_ < messages_.size() && in_flight_ < kWindow)
    put(out, messages_[in_flight_++], false);
}

void Outbox::send_again(std::string& out) {
  for (std::size_t i = 0; i < in_flight_; ++i) {
    const Message& message = messages_[i];
    if (message.phase == Phase::kPublished) put(out, message, true);
    if (message.phase == Phase::kReleased)
      wire::put_answer(out, wire::Type::kPubRel, message.packet_id);
  }
}

Outbox::Message* Outbox::under_way(std::uint16_t packet_id) {
  const auto end = messages_.begin() + static_cast<std::ptrdiff_t>(in_flight_);
  const auto found = std::find_if(messages_.begin(), end, [packet_id](const Message& message) {
    return message.packet_id == packet_id && message.phase != Phase::kDone;
  });
  return found == end ? nullptr : &*found;
}

std::optional<Answered> Outbox::take(const wire::Packet& answer, std::string& out) {
  const auto id = wire::parse_packet_id(answer);
  Message* message = id ? under_way(*id) : nullptr;
  if (message == nullptr) return std::nullopt;
  const bool is_exactly_once = message->track->qos == 2;
  const bool is_released = message->phase == Phase::kReleased;
  if (is_exactly_once == (answer.type == wire::Type::kPubAck) ||
      is_released != (answer.type == wire::Type::kPubComp)) {
    return std::nullopt;
  }
  const bool is_received = answer.type == wire::Type::kPubRec;
  message->phase = is_received ? Phase::kReleased : Phase::kDone;
  if (is_received) wire::put_answer(out, wire::Type::kPubRel, *id);
  const Answered answered{message->track->id, message->n, !is_released, !is_received};
  drop_done();
  return answered;
}

void Outbox::drop_done() {
  while (!messages_.empty() && messages_.front().phase == Phase::kDone) {
    messages_.pop_front();
    --in_flight_;
  }
}

}  // namespace tg::sim
