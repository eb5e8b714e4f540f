// Who publishes what and who listens to whom: a plant of halls with 20 devices each.
//
//   dt/<device>/temperature   every device                          QoS 1
//   dt/<device>/vibration     every device                          QoS 0
//   dt/<device>/alarm/high    every device, seldom                  QoS 2
//   hall/<n>/door             the hall's first device               QoS 1
//   hall/<n>/fan/<device>     the hall's first device, one a fan    QoS 1
//
// and the four capture patterns (TEL-1) among the devices themselves:
//
//   one-to-one    each odd device reads dt/<its even neighbour>/temperature
//   own-topic     each device but a hall's first reads hall/<n>/fan/<itself>
//   one-to-many   each device but a hall's first reads hall/<n>/door
//   many-to-one   one device reads dt/+/alarm/#
//
// A track is one device's messages on one topic, numbered from 1 without a hole.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tg::sim {

enum class Pattern : std::uint8_t { kOneToOne, kOwnTopic, kOneToMany, kManyToOne };
constexpr std::array<std::string_view, 4> kPatternNames = {"one-to-one", "own-topic", "one-to-many",
                                                           "many-to-one"};

enum class Kind : std::uint8_t { kTemperature, kVibration, kAlarm, kDoor, kFan };
constexpr std::size_t kKinds = 5;
// Parts of the load, in percent.
constexpr std::array<int, kKinds> kKindShare = {50, 30, 5, 5, 10};

enum class QosMix : std::uint8_t { kAll0, kAll1, kAll2, kMixed };

struct Track {
  std::uint32_t id = 0;
  std::uint32_t publisher = 0;  // index of the device
  std::string topic;
  std::uint8_t qos = 0;
  Kind kind = Kind::kTemperature;
};

struct Subscription {
  std::string filter;
  Pattern pattern = Pattern::kOneToOne;
  std::vector<std::uint32_t> tracks;  // what it must receive
};

struct PlanOptions {
  std::uint32_t count = 200;
  std::string prefix = "d";
  QosMix qos = QosMix::kMixed;
  std::string pattern = "all";  // or one of kPatternNames
};

struct Plan {
  std::vector<std::string> devices;
  std::vector<Track> tracks;
  std::vector<std::vector<Subscription>> subscriptions;  // by device
};

[[nodiscard]] Plan make_plan(const PlanOptions& options);

}  // namespace tg::sim
