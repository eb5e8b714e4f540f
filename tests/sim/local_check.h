// What one subscribing device checks about the messages the gateway delivers to it: none is
// missing, none comes twice at QoS 0 or 2, none is somebody else's.
//
// When the gateway has confirmed a new session, what was made before is not owed any more (it may
// still come); every later number is, each exactly one above the one before. A number that is not
// above the highest seen is a repeat: allowed at QoS 1, where a publisher republishes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/sim/plan.h"

namespace tg::sim {

struct LocalCounts {
  std::uint64_t subscriptions = 0;
  std::uint64_t received = 0;
  std::uint64_t repeated = 0;  // QoS 1: allowed
  std::uint64_t repeated_qos2 = 0;
  std::uint64_t missed = 0;        // QoS 1 and 2
  std::uint64_t missed_qos0 = 0;   // allowed: the publisher's connection broke
  std::uint64_t out_of_order = 0;  // QoS 0
  std::uint64_t misdirected = 0;   // no subscription of this device

  [[nodiscard]] bool is_clean() const {
    return repeated_qos2 + missed + out_of_order + misdirected == 0;
  }
};
using LocalResults = std::array<LocalCounts, kPatternNames.size()>;

class LocalCheck {
 public:
  // made: the last number of each track, by its id; kept up to date by the publishers.
  LocalCheck(const Plan& plan, std::uint32_t device, const std::vector<std::uint64_t>& made);

  // The gateway has confirmed the subscriptions of a session it did not know before.
  void session_began();
  void delivered(std::string_view topic, std::string_view payload, LocalResults& results);
  // Everything made for this device has come (QoS 1 and 2).
  [[nodiscard]] bool is_caught_up() const;
  // At the end: what has not come by now is missed.
  void finish(LocalResults& results) const;

 private:
  struct Expected {
    Pattern pattern = Pattern::kOneToOne;
    std::uint32_t track = 0;
    std::uint8_t qos = 0;
    std::uint64_t floor = 0;  // owed are numbers above
    std::uint64_t seen = 0;   // the highest delivered
  };

  const std::vector<std::uint64_t>& made_;
  std::unordered_map<std::string_view, Expected> by_topic_;  // views into the plan
};

// The number n of a device's message {"device":"…","n":…,…}; 0 when there is none.
[[nodiscard]] std::uint64_t number_in(std::string_view payload);

}  // namespace tg::sim
