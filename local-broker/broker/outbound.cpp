#include "local-broker/broker/outbound.h"

#include <algorithm>
#include <utility>

namespace tg::broker {
namespace {

std::uint16_t next_id(std::uint16_t id) {
  return id == 0xFFFF ? std::uint16_t{1} : static_cast<std::uint16_t>(id + 1);
}

// Steps from one id to another; 0 is never an id.
std::size_t distance(std::uint16_t from, std::uint16_t to) {
  return to >= from ? std::size_t{to} - from : std::size_t{to} + 0xFFFF - from;
}

}  // namespace

InFlight& Outbound::open_place(Copy copy) {
  last_id_ = next_id(last_id_);
  const Await await = copy.qos == 1 ? Await::kPuback : Await::kPubrec;
  window_.push_back({std::move(copy), last_id_, await});
  note(1);
  return window_.back();
}

std::uint16_t Outbound::start(Copy copy) {
  open_place(std::move(copy)).sent = true;
  return last_id_;
}

InFlight& Outbound::start_unsent(Copy copy) {
  ++unsent_;
  return open_place(std::move(copy));
}

void Outbound::begin_resend() {
  unsent_ = window_.size();
  releasing_.clear();  // the window says what is to be released
}

InFlight* Outbound::find(std::uint16_t packet_id) {
  if (window_.empty() || packet_id == 0) return nullptr;
  const std::size_t index = distance(window_.front().packet_id, packet_id);
  return index < window_.size() ? &window_[index] : nullptr;
}

bool Outbound::finish(std::uint16_t packet_id, Await await, Copy* done) {
  InFlight* record = find(packet_id);
  if (record == nullptr || record->await != await) return false;
  if (done != nullptr) *done = *record;
  record->await = Await::kNothing;
  record->stored = 0;
  record->message = {};
  while (!window_.empty() && window_.front().await == Await::kNothing) {
    window_.pop_front();
    note(-1);
  }
  unsent_ = std::min(unsent_, window_.size());
  return true;
}

bool Outbound::on_pubrec(std::uint16_t packet_id) {
  InFlight* record = find(packet_id);
  if (record == nullptr) return false;
  if (record->await == Await::kPubcomp) return true;  // sent again: so is PUBREL
  if (record->await != Await::kPubrec) return false;
  record->await = Await::kPubcomp;
  record->message = {};
  return true;
}

void Outbound::release_after(InFlight& record, std::uint64_t serial) {
  record.durable_at = serial;
  releasing_.push_back({serial, record.packet_id});
}

bool Outbound::restore(InFlight record) {
  constexpr std::size_t kWidest = 65'534;
  if (!queue_.empty() || record.packet_id == 0) return false;
  // Those between have been acknowledged.
  const std::size_t gap = window_.empty() ? 0 : distance(last_id_, record.packet_id) - 1;
  if (window_.size() + gap >= kWidest) return false;
  for (std::size_t i = 0; i < gap; ++i) {
    last_id_ = next_id(last_id_);
    InFlight finished;
    finished.packet_id = last_id_;
    window_.push_back(finished);
  }
  last_id_ = record.packet_id;
  window_.push_back(std::move(record));
  note(static_cast<std::ptrdiff_t>(gap) + 1);
  return true;
}

void Outbound::push(Queued queued) {
  if (queued.is_replay) {
    ++replaying_;
  } else {
    queued_bytes_ += queued.message->size();
    if (queued.qos == 0) ++queued_qos0_;
  }
  queue_.push_back(std::move(queued));
}

Queued Outbound::take_front() {
  Queued queued = queue_.take_front();
  if (queued.is_replay) {
    --replaying_;
  } else {
    queued_bytes_ -= queued.message->size();
    if (queued.qos == 0) --queued_qos0_;
  }
  return queued;
}

bool Outbound::drop_qos0() {
  if (queued_qos0_ == 0) return false;
  std::size_t at = 0;
  while (queue_[at].qos != 0 || queue_[at].is_replay) ++at;
  // Those in front of it move up by one.
  for (; at > 0; --at) std::swap(queue_[at], queue_[at - 1]);
  static_cast<void>(take_front());
  return true;
}

}  // namespace tg::broker
