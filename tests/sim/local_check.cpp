#include "tests/sim/local_check.h"

#include <algorithm>
#include <charconv>

namespace tg::sim {

std::uint64_t number_in(std::string_view payload) {
  constexpr std::string_view kKey = "\"n\":";
  const std::size_t at = payload.find(kKey);
  if (at == std::string_view::npos) return 0;
  std::uint64_t number = 0;
  std::from_chars(payload.data() + at + kKey.size(), payload.data() + payload.size(), number);
  return number;
}

LocalCheck::LocalCheck(const Plan& plan, std::uint32_t device,
                       const std::vector<std::uint64_t>& made)
    : made_(made) {
  for (const Subscription& subscription : plan.subscriptions[device]) {
    for (const std::uint32_t id : subscription.tracks) {
      const Track& track = plan.tracks[id];
      by_topic_[track.topic] = Expected{subscription.pattern, id, track.qos, 0, 0};
    }
  }
}

void LocalCheck::session_began() {
  for (auto& [topic, expected] : by_topic_) expected.floor = made_[expected.track];
}

void LocalCheck::delivered(std::string_view topic, std::string_view payload,
                           LocalResults& results) {
  const auto found = by_topic_.find(topic);
  const std::uint64_t number = number_in(payload);
  if (found == by_topic_.end() || number == 0) {
    ++results[0].misdirected;
    return;
  }
  Expected& expected = found->second;
  LocalCounts& counts = results[static_cast<std::size_t>(expected.pattern)];
  ++counts.received;
  if (number <= expected.seen) {
    ++(expected.qos == 0   ? counts.out_of_order
       : expected.qos == 1 ? counts.repeated
                           : counts.repeated_qos2);
    return;
  }
  const std::uint64_t before = std::max(expected.seen, expected.floor);
  if (number > before) {
    (expected.qos == 0 ? counts.missed_qos0 : counts.missed) += number - before - 1;
  }
  expected.seen = number;
}

bool LocalCheck::is_caught_up() const {
  for (const auto& [topic, expected] : by_topic_) {
    if (expected.qos > 0 && std::max(expected.seen, expected.floor) < made_[expected.track])
      return false;
  }
  return true;
}

void LocalCheck::finish(LocalResults& results) const {
  for (const auto& [topic, expected] : by_topic_) {
    LocalCounts& counts = results[static_cast<std::size_t>(expected.pattern)];
    const std::uint64_t made = made_[expected.track];
    const std::uint64_t settled = std::max(expected.seen, expected.floor);
    if (settled >= made) continue;
    (expected.qos == 0 ? counts.missed_qos0 : counts.missed) += made - settled;
  }
}

}  // namespace tg::sim
