#include "tests/sim/device.h"

#include <fmt/format.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>

namespace tg::sim {
namespace {

constexpr std::size_t kMaxUnsent = std::size_t{64} * 1024;  // QoS 0 is not sampled beyond
constexpr std::uint16_t kKeepAliveS = 30;
constexpr std::int64_t kPingAfterUs = 10'000'000;
constexpr std::int64_t kAnswerUs = 5'000'000;
constexpr std::uint16_t kSubscribeId = Outbox::kMaxPacketId + 1;
constexpr std::int64_t kRetryMinMs = 50;
constexpr std::int64_t kRetryMaxMs = 2'000;

}  // namespace

Device::Device(const Plan& plan, std::uint32_t index, FleetState& fleet, std::uint64_t seed)
    : id_(plan.devices[index]),
      fleet_(fleet),
      index_(index),
      backoff_(kRetryMinMs, kRetryMaxMs, seed),
      check_(plan, index, fleet.made) {
  for (const Subscription& subscription : plan.subscriptions[index]) {
    std::uint8_t qos = 0;
    for (const std::uint32_t id : subscription.tracks) qos = std::max(qos, plan.tracks[id].qos);
    filters_.push_back({subscription.filter, qos});
  }
}

void Device::sample(const Track& track, double value, std::int64_t now_us) {
  const bool has_room =
      track.qos > 0 ? outbox_.has_room() : state_ == State::kUp && out_.size() < kMaxUnsent;
  if (!has_room) {
    ++fleet_.not_sampled;
    return;
  }
  const std::uint64_t n = ++fleet_.made[track.id];
  std::string payload =
      fmt::format(R"({{"device":"{}","n":{},"t":{},"value":{:.2f}}})", id_, n, now_us, value);
  fleet_.ledger->published(track.id, n, now_us);
  ++fleet_.published;
  if (track.qos == 0) {
    wire::put_publish(out_, {track.topic, payload, 0, false, 0});
    return;
  }
  outbox_.push(track, n, std::move(payload));
  ++fleet_.unacknowledged;
  if (state_ == State::kUp) outbox_.send(out_);
}

void Device::connect(std::int64_t now_us) {
  if (!channel_.open(fleet_.gateway, fleet_.tls, id_)) return lose(now_us);
  state_ = State::kConnecting;
  deadline_us_ = now_us + kAnswerUs;
  watches_writable_ = true;
  epoll_event event = {EPOLLIN | EPOLLOUT, {.u32 = index_}};
  ::epoll_ctl(fleet_.epoll, EPOLL_CTL_ADD, channel_.fd(), &event);
}

void Device::lose(std::int64_t now_us) {
  if (state_ == State::kUp) {
    --fleet_.connected;
    ++fleet_.connections.lost;
  }
  if (!channel_.trouble().empty() && !fleet_.told_trouble) {
    fleet_.told_trouble = true;
    fmt::print(stderr, "{}: TLS: {}\n", id_, channel_.trouble());
  }
  state_ = State::kAway;
  channel_.close();
  out_.clear();
  in_.reset();
  deadline_us_ = 0;
  retry_us_ = now_us + backoff_.next_ms() * 1000;
}

void Device::cut(std::int64_t now_us) {
  if (state_ != State::kUp) return;
  channel_.abort();
  lose(now_us);
  --fleet_.connections.lost;  // our own doing
}

void Device::watch(bool writable) {
  if (writable == watches_writable_) return;
  watches_writable_ = writable;
  epoll_event event = {EPOLLIN | (writable ? EPOLLOUT : 0U), {.u32 = index_}};
  ::epoll_ctl(fleet_.epoll, EPOLL_CTL_MOD, channel_.fd(), &event);
}

void Device::on_event(std::uint32_t events, std::int64_t now_us) {
  if (state_ == State::kAway) return;
  if (state_ == State::kConnecting) {
    const auto progress = channel_.establish();
    if (progress == Channel::Progress::kLost) return lose(now_us);
    if (progress == Channel::Progress::kWait) return watch(false);  // for the peer's part of TLS
    state_ = State::kHandshake;
    wire::put_connect(out_, id_, kKeepAliveS, false);
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive(now_us);
  if (state_ != State::kAway) flush(now_us);
}

void Device::receive(std::int64_t now_us) {
  char buffer[65536];
  do {
    const ssize_t got = channel_.receive(buffer, sizeof buffer);
    if (got == 0) return;
    if (got < 0) return lose(now_us);
    in_.feed({buffer, static_cast<std::size_t>(got)});
    while (const auto packet = in_.next()) {
      if (handle(*packet, now_us)) continue;
      fmt::print(stderr, "{}: unexpected packet of type {}, connecting anew\n", id_,
                 static_cast<int>(packet->type));
      return lose(now_us);
    }
    if (in_.malformed()) return lose(now_us);
  } while (channel_.has_pending());
}

bool Device::handle(const wire::Packet& packet, std::int64_t now_us) {
  switch (packet.type) {
    case wire::Type::kConnAck:
      return on_connack(packet);
    case wire::Type::kPublish:
      return on_publish(packet);
    case wire::Type::kPubRel:
      return on_pubrel(packet);
    case wire::Type::kPubAck:
    case wire::Type::kPubRec:
    case wire::Type::kPubComp:
      return on_answer(packet, now_us);
    case wire::Type::kSubAck:
      if (state_ != State::kSubscribing || !wire::suback_accepted(packet)) return false;
      is_subscribed_ = true;
      check_.session_began();
      come_up();
      return true;
    case wire::Type::kPingResp:
      deadline_us_ = 0;
      return true;
    case wire::Type::kConnect:
    case wire::Type::kSubscribe:
    case wire::Type::kPingReq:
    case wire::Type::kDisconnect:
      return false;
  }
  return false;
}

bool Device::on_connack(const wire::Packet& packet) {
  const auto answer = wire::parse_connack(packet);
  if (state_ != State::kHandshake || !answer || answer->code != 0) return false;
  if (!answer->session_present) received_.clear();
  is_subscribed_ = is_subscribed_ && answer->session_present;
  if (is_subscribed_ || filters_.empty()) {
    come_up();
    return true;
  }
  state_ = State::kSubscribing;
  wire::put_subscribe(out_, kSubscribeId, filters_);
  return true;
}

// What was under way comes first, in its order.
void Device::come_up() {
  state_ = State::kUp;
  deadline_us_ = 0;
  backoff_.reset();
  ++fleet_.connected;
  ++fleet_.connections.connects;
  outbox_.send_again(out_);
  outbox_.send(out_);
}

// QoS 2 is taken at PUBLISH (method B of MQTT 3.1.1, 4.3.3): until PUBREL the same packet id is a
// repetition.
bool Device::on_publish(const wire::Packet& packet) {
  const auto publish = wire::parse_publish(packet);
  if (!publish) return false;
  if (publish->qos > 0) {
    const auto answer = publish->qos == 1 ? wire::Type::kPubAck : wire::Type::kPubRec;
    wire::put_answer(out_, answer, publish->packet_id);
  }
  if (publish->qos == 2 && !received_.insert(publish->packet_id).second) return true;
  check_.delivered(publish->topic, publish->payload, fleet_.local);
  return true;
}

bool Device::on_pubrel(const wire::Packet& packet) {
  const auto id = wire::parse_packet_id(packet);
  if (!id) return false;
  received_.erase(*id);  // an unknown one is answered, too: PUBCOMP may have been lost
  wire::put_answer(out_, wire::Type::kPubComp, *id);
  return true;
}

bool Device::on_answer(const wire::Packet& packet, std::int64_t now_us) {
  const auto answered = outbox_.take(packet, out_);
  if (!answered) return false;
  if (answered->is_owned) {
    fleet_.ledger->acknowledged(answered->track, answered->n, now_us);
    ++fleet_.acknowledged;
  }
  if (answered->is_done) --fleet_.unacknowledged;
  outbox_.send(out_);
  return true;
}

void Device::on_tick(std::int64_t now_us) {
  if (state_ == State::kAway) {
    if (now_us >= retry_us_) connect(now_us);
    return;
  }
  if (deadline_us_ != 0 && now_us > deadline_us_) return lose(now_us);
  if (state_ == State::kUp && deadline_us_ == 0 && now_us - last_sent_us_ > kPingAfterUs) {
    wire::put_pingreq(out_);
    deadline_us_ = now_us + kAnswerUs;
    flush(now_us);
  }
}

void Device::flush(std::int64_t now_us) {
  if (out_.empty() || state_ == State::kAway || state_ == State::kConnecting) {
    if (state_ > State::kConnecting) watch(false);
    return;
  }
  const ssize_t sent = channel_.send(out_);
  if (sent < 0) return lose(now_us);
  if (sent > 0) {
    out_.erase(0, static_cast<std::size_t>(sent));
    last_sent_us_ = now_us;
  }
  watch(!out_.empty());
}

void Device::leave() {
  if (state_ != State::kUp) return;
  wire::put_disconnect(out_);
  flush(0);
}

}  // namespace tg::sim
