#include "daemon/uplink/bridge.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "daemon/uplink/mqtt_properties.h"
#include "daemon/uplink/topic_map.h"
#include "local-broker/mqtt/topic.h"

namespace tg::uplink {

namespace {

const log::Component kLog{"bridge"};

constexpr int kMaxLosses = 3;

std::size_t hash_of(std::string_view topic, std::string_view payload) {
  const std::size_t one = std::hash<std::string_view>{}(topic);
  const std::size_t other = std::hash<std::string_view>{}(payload);
  return one ^ (other + 0x9e3779b97f4a7c15 + (one << 6) + (one >> 2));
}

}  // namespace

Bridge::Bridge(const std::string& uplink, std::vector<BridgeRule> rules,
               const PublishLimits& limits, bool with_properties, const Clock& clock,
               Metrics& metrics, Task on_ready)
    : uplink_(uplink),
      rules_(std::move(rules)),
      limits_(limits),
      with_properties_(with_properties),
      clock_(clock),
      on_ready_(std::move(on_ready)) {
  const auto counter = [&](const char* name, const char* help, MetricLabels labels) {
    labels.emplace("uplink", uplink);
    return metrics.counter(name, help, labels);
  };
  const char* const kDropped = "tidegate_bridge_dropped_total";
  const char* const kDroppedHelp = "Bridged messages that were not passed on, by reason";
  sent_up_ = counter("tidegate_bridge_up_total", "Messages passed on to the cloud", {});
  came_down_ = counter("tidegate_bridge_down_total", "Messages passed on from the cloud", {});
  dropped_full_ = counter(kDropped, kDroppedHelp, {{"reason", "full"}});
  dropped_expired_ = counter(kDropped, kDroppedHelp, {{"reason", "expired"}});
  dropped_refused_ = counter(kDropped, kDroppedHelp, {{"reason", "refused"}});
  echoes_dropped_ = counter(kDropped, kDroppedHelp, {{"reason", "echo"}});
}

std::vector<std::string> Bridge::filters() const {
  std::vector<std::string> all;
  for (const auto& rule : rules_) {
    if (!rule.is_up && std::find(all.begin(), all.end(), rule.cloud) == all.end()) {
      all.push_back(rule.cloud);
    }
  }
  return all;
}

bool Bridge::offer(const LocalMessage& message) {
  bool taken = false;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    if (!rules_[i].is_up) continue;
    auto topic = map_topic(rules_[i].local, rules_[i].cloud, message.topic);
    if (!topic) continue;
    enqueue(i, std::move(*topic), message);
    taken = true;
  }
  if (taken && is_up_) on_ready_();
  return taken;
}

void Bridge::enqueue(std::size_t rule, std::string topic, const LocalMessage& message) {
  if (message.payload.size() > limits_.payload_bytes) {
    return drop(dropped_refused_, "too large for a publish", topic);
  }
  if (const auto problem = topic_problem(topic, limits_)) {
    return drop(dropped_refused_, *problem, topic);
  }
  if (queue_.size() >= rules_[rule].max_queued) make_room(rule);
  Queued queued;
  queued.rule = rule;
  queued.expires_ms = clock_.mono_ms() + rules_[rule].expiry_ms;
  if (message.expires_in_ms) {
    queued.expires_ms = std::min(queued.expires_ms, clock_.mono_ms() + *message.expires_in_ms);
  }
  queued.publish.topic = std::move(topic);
  queued.publish.payload = message.payload;
  queued.publish.qos = 1;
  if (with_properties_) {
    PublishProperties properties = read_mqtt_properties(message.properties);
    queued.publish.content_type = std::move(properties.content_type);
    queued.publish.response_topic = map_response(std::move(properties.response_topic), true);
    queued.publish.correlation_data = std::move(properties.correlation_data);
    queued.publish.payload_format = properties.payload_format;
    queued.publish.user_properties = std::move(properties.user);
  }
  queue_.push_back(std::move(queued));
}

void Bridge::make_room(std::size_t rule) {
  drop_expired();
  const auto is_of_rule = [rule](const Queued& queued) { return queued.rule == rule; };
  const auto count = std::count_if(queue_.begin(), queue_.end(), is_of_rule);
  if (static_cast<std::size_t>(count) < rules_[rule].max_queued) return;
  const auto oldest = std::find_if(queue_.begin(), queue_.end(), is_of_rule);
  drop(dropped_full_, "the queue is full", oldest->publish.topic);
  queue_.erase(oldest);
}

std::string Bridge::map_response(std::string topic, bool to_cloud) const {
  if (topic.empty()) return topic;
  for (const auto& rule : rules_) {
    // The answer goes the other way than what asks for it.
    if (rule.is_up == to_cloud) continue;
    const auto mapped = to_cloud ? map_topic(rule.local, rule.cloud, topic)
                                 : map_topic(rule.cloud, rule.local, topic);
    if (mapped) return *mapped;
  }
  return topic;
}

void Bridge::on_message(const cloud::IncomingMessage& message) {
  if (is_echo(message)) return echoes_dropped_.add();
  for (const auto& rule : rules_) {
    if (rule.is_up) continue;
    const auto topic = map_topic(rule.cloud, rule.local, message.topic);
    if (!topic) continue;
    PublishProperties properties;
    properties.content_type = message.content_type;
    properties.response_topic = map_response(message.response_topic, false);
    properties.correlation_data = message.correlation_data;
    properties.payload_format = message.payload_format;
    properties.user = message.user_properties;
    const std::string bytes = write_mqtt_properties(properties);
    LocalMessage local{*topic, message.payload, bytes, message.qos, {}};
    if (message.expiry_s) local.expires_in_ms = std::int64_t{*message.expiry_s} * 1000;
    came_down_.add();
    if (deliver_) deliver_(local);
  }
}

void Bridge::remember(const cloud::OutgoingPublish& publish) {
  const bool may_come_back =
      std::any_of(rules_.begin(), rules_.end(), [&publish](const BridgeRule& rule) {
        return !rule.is_up && mqtt::filter_matches(rule.cloud, publish.topic);
      });
  if (!may_come_back) return;
  const std::int64_t now_ms = clock_.mono_ms();
  if (echoes_.size() >= kMaxEchoes) {
    std::erase_if(echoes_, [now_ms](const auto& entry) { return entry.second.first <= now_ms; });
    if (echoes_.size() >= kMaxEchoes) echoes_.clear();
  }
  auto& [until_ms, count] = echoes_[hash_of(publish.topic, publish.payload)];
  until_ms = now_ms + kEchoMs;
  ++count;
}

bool Bridge::is_echo(const cloud::IncomingMessage& message) {
  const auto found = echoes_.find(hash_of(message.topic, message.payload));
  if (found == echoes_.end()) return false;
  auto& [until_ms, count] = found->second;
  const bool is_ours = until_ms > clock_.mono_ms();
  if (--count == 0 || !is_ours) echoes_.erase(found);
  return is_ours;
}

void Bridge::drop_expired() {
  const std::int64_t now_ms = clock_.mono_ms();
  const auto kept =
      std::stable_partition(queue_.begin(), queue_.end(),
                            [now_ms](const Queued& queued) { return queued.expires_ms > now_ms; });
  for (auto at = kept; at != queue_.end(); ++at) {
    drop(dropped_expired_, "it waited too long for the cloud", at->publish.topic);
  }
  queue_.erase(kept, queue_.end());
}

void Bridge::drop(Counter& counter, std::string_view why, const std::string& topic) {
  counter.add();
  if (!lines_.allow(clock_.mono_ms())) return;
  log::warning(kLog, "{}: a message for {} is dropped: {} ({} more since the last such line)",
               uplink_, topic, why, lines_.take_suppressed());
}

bool Bridge::is_ready() const {
  return is_up_ && std::any_of(queue_.begin(), queue_.end(), [this](const Queued& queued) {
           return queued.expires_ms > clock_.mono_ms();
         });
}

cloud::OutgoingPublish Bridge::take(std::uint64_t id) {
  drop_expired();
  Queued queued = std::move(queue_.front());
  queue_.pop_front();
  cloud::OutgoingPublish publish = queued.publish;
  publish.id = id;
  if (with_properties_) {
    const std::int64_t left_ms = queued.expires_ms - clock_.mono_ms();
    publish.expiry_s = static_cast<std::uint32_t>(std::max<std::int64_t>(left_ms / 1000, 1));
  }
  remember(publish);
  in_flight_.emplace(id, std::move(queued));
  return publish;
}

void Bridge::untake(std::uint64_t id) {
  auto node = in_flight_.extract(id);
  if (!node.empty()) queue_.push_front(std::move(node.mapped()));
}

void Bridge::acked(std::uint64_t id) {
  if (in_flight_.erase(id) > 0) sent_up_.add();
}

void Bridge::link_up(std::size_t) {
  is_up_ = true;
  drop_expired();
}

void Bridge::link_closed(const LinkEnd& end) {
  is_up_ = false;
  for (auto at = in_flight_.rbegin(); at != in_flight_.rend(); ++at) {
    Queued& queued = at->second;
    if (!end.explained && ++queued.losses >= kMaxLosses) {
      drop(dropped_refused_, "the cloud closes the connection for it", queued.publish.topic);
    } else {
      queue_.push_front(std::move(queued));
    }
  }
  in_flight_.clear();
}

bool Bridge::refused(std::uint64_t id, const std::string& reason) {
  const auto node = in_flight_.extract(id);
  if (!node.empty()) drop(dropped_refused_, reason, node.mapped().publish.topic);
  return true;
}

bool Bridge::is_suspect() const {
  const std::int64_t now_ms = clock_.mono_ms();
  return std::any_of(queue_.begin(), queue_.end(),
                     [now_ms](const Queued& queued) {
                       return queued.losses > 0 && queued.expires_ms > now_ms;
                     }) ||
         std::any_of(in_flight_.begin(), in_flight_.end(),
                     [](const auto& entry) { return entry.second.losses > 0; });
}

}  // namespace tg::uplink
