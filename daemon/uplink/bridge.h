// Plain topics passed between the local broker and one uplink, not stored: commands and their
// answers (SHD-5).
//
// Up: what devices publish on a rule's local filter waits in a bounded queue for the link, at most
//   the rule's expiry. A full queue drops its oldest. At most once across a crash; at least once
//   across a lost connection.
// Down: the cloud filters are subscribed at each connection; what comes is published to the local
//   broker. The client library acknowledges it before that: at most once.
// MQTT 5: content type, user properties, correlation data and expiry pass; a response topic is
//   mapped as its rule's topics are.
// No loops: what the gateway itself publishes locally never comes to offer(). What the cloud sends
//   back of what was sent up (one of our own filters matches it) is known by topic and payload, for
//   kEchoMs, and dropped.
// Beyond the limits of the cloud, refused by it, or in flight at three unexplained ends: dropped
// and counted. Thread: the loop's (T0). Owner: Uplink.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/post.h"
#include "daemon/base/publish_limits.h"
#include "daemon/uplink/sender.h"

namespace tg::uplink {

struct BridgeRule {
  bool is_up = false;
  std::string local;  // filters with the same wildcards, in order
  std::string cloud;
  std::int64_t expiry_ms = 60'000;
  std::size_t max_queued = 100;
};

// A message of the local side; views are valid during the call.
struct LocalMessage {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // MQTT 5, as the broker keeps them
  std::uint8_t qos = 0;
  std::optional<std::int64_t> expires_in_ms;  // absent: never
};

class Bridge final : public Sender {
 public:
  static constexpr std::int64_t kEchoMs = 60'000;
  static constexpr std::size_t kMaxEchoes = 10'000;

  using Deliver = std::function<void(const LocalMessage&)>;

  // limits: of the cloud; what is beyond them is dropped.
  Bridge(const std::string& uplink, std::vector<BridgeRule> rules, const PublishLimits& limits,
         bool with_properties, const Clock& clock, Metrics& metrics, Task on_ready);

  void set_deliver(Deliver deliver) { deliver_ = std::move(deliver); }
  // From a device. True when a rule takes it.
  bool offer(const LocalMessage& message);
  // From the cloud.
  void on_message(const cloud::IncomingMessage& message);
  // The filters to subscribe to.
  [[nodiscard]] std::vector<std::string> filters() const;
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }

  [[nodiscard]] bool is_ready() const override;
  [[nodiscard]] cloud::OutgoingPublish take(std::uint64_t id) override;
  void untake(std::uint64_t id) override;
  void acked(std::uint64_t id) override;
  void link_up(std::size_t batch_bytes) override;
  void link_closed(const LinkEnd& end) override;
  [[nodiscard]] bool refused(std::uint64_t id, const std::string& reason) override;
  void isolate(bool) override {}
  [[nodiscard]] bool is_suspect() const override;

 private:
  struct Queued {
    std::size_t rule = 0;
    std::int64_t expires_ms = 0;  // monotonic
    int losses = 0;               // unexplained ends it was in flight at
    cloud::OutgoingPublish publish;
  };

  // For one more of that rule: the expired go, then its oldest.
  void make_room(std::size_t rule);
  void enqueue(std::size_t rule, std::string topic, const LocalMessage& message);
  void drop_expired();
  void drop(Counter& counter, std::string_view why, const std::string& topic);
  void remember(const cloud::OutgoingPublish& publish);
  [[nodiscard]] bool is_echo(const cloud::IncomingMessage& message);
  [[nodiscard]] std::string map_response(std::string topic, bool to_cloud) const;

  const std::string uplink_;
  const std::vector<BridgeRule> rules_;
  const PublishLimits limits_;
  const bool with_properties_;
  const Clock& clock_;
  const Task on_ready_;
  Deliver deliver_;
  Counter sent_up_;
  Counter came_down_;
  Counter dropped_full_;
  Counter dropped_expired_;
  Counter dropped_refused_;
  Counter echoes_dropped_;

  bool is_up_ = false;
  std::deque<Queued> queue_;
  std::map<std::uint64_t, Queued> in_flight_;
  std::map<std::size_t, std::pair<std::int64_t, int>> echoes_;  // by hash: until, how many
  log::Limit lines_;
};

}  // namespace tg::uplink
