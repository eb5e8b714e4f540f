// One simulated device: a persistent MQTT session with an outbox (outbox.h). After a lost
// connection it comes back with jittered back-off and goes on with what was under way.
//
// Thread: the fleet's. Limits: those of the outbox; QoS 0 is not sampled without a connection or
// when the socket does not take it.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/backoff.h"
#include "tests/sim/channel.h"
#include "tests/sim/ledger.h"
#include "tests/sim/local_check.h"
#include "tests/sim/outbox.h"
#include "tests/sim/plan.h"
#include "tests/sim/wire.h"

namespace tg::sim {

// What all devices of a fleet share.
struct FleetState {
  sockaddr_in gateway = {};
  const TlsContext* tls = nullptr;  // null = plain TCP
  int epoll = -1;
  DevicesLedger* ledger = nullptr;
  std::vector<std::uint64_t> made;  // last number of each track
  LocalResults local = {};
  std::uint64_t connected = 0;  // devices whose session is up and subscribed
  std::uint64_t published = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t unacknowledged = 0;  // PUBACK or PUBCOMP has not come
  std::uint64_t not_sampled = 0;
  ConnectionCounts connections;
  bool told_trouble = false;  // of TLS, once
};

class Device {
 public:
  Device(const Plan& plan, std::uint32_t index, FleetState& fleet, std::uint64_t seed);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // The first connect, spread over the fleet.
  void start(std::int64_t now_us, std::int64_t delay_us) { retry_us_ = now_us + delay_us; }
  // A sample of one of its tracks.
  void sample(const Track& track, double value, std::int64_t now_us);
  // From epoll.
  void on_event(std::uint32_t events, std::int64_t now_us);
  // Every 100 ms or so: reconnect, keep-alive, give up on a peer that does not answer.
  void on_tick(std::int64_t now_us);
  // Sends what has gathered in the buffer.
  void flush(std::int64_t now_us);
  // The network is gone without a word; the device comes back as after any other loss.
  void cut(std::int64_t now_us);
  // DISCONNECT, at the end.
  void leave();

  [[nodiscard]] bool is_up() const { return state_ == State::kUp; }
  [[nodiscard]] const LocalCheck& local_check() const { return check_; }

 private:
  enum class State : std::uint8_t { kAway, kConnecting, kHandshake, kSubscribing, kUp };

  void connect(std::int64_t now_us);
  void lose(std::int64_t now_us);
  void receive(std::int64_t now_us);
  bool handle(const wire::Packet& packet, std::int64_t now_us);
  bool on_connack(const wire::Packet& packet);
  bool on_publish(const wire::Packet& packet);
  bool on_pubrel(const wire::Packet& packet);
  bool on_answer(const wire::Packet& packet, std::int64_t now_us);
  void come_up();
  void watch(bool writable);

  // Constant after construction.
  const std::string& id_;
  std::vector<wire::Filter> filters_;
  FleetState& fleet_;

  State state_ = State::kAway;
  Channel channel_;
  std::uint32_t index_;
  bool watches_writable_ = false;
  bool is_subscribed_ = false;    // in the session the gateway had last
  std::int64_t retry_us_ = 0;     // kAway
  std::int64_t deadline_us_ = 0;  // an answer must have come by then; 0 = none awaited
  std::int64_t last_sent_us_ = 0;
  Backoff backoff_;
  std::string out_;
  wire::Framer in_;
  Outbox outbox_;
  std::set<std::uint16_t> received_;  // QoS 2, by packet id: PUBREL has not come
  LocalCheck check_;
};

}  // namespace tg::sim
