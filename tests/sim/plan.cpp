#include "tests/sim/plan.h"

#include <fmt/format.h>

#include "tests/sim/wire.h"

namespace tg::sim {
namespace {

constexpr std::uint32_t kHallSize = 20;

std::uint8_t qos_of(Kind kind, QosMix mix) {
  switch (mix) {
    case QosMix::kAll0:
      return 0;
    case QosMix::kAll1:
      return 1;
    case QosMix::kAll2:
      return 2;
    case QosMix::kMixed:
      break;
  }
  if (kind == Kind::kVibration) return 0;
  return kind == Kind::kAlarm ? 2 : 1;
}

class Planner {
 public:
  explicit Planner(const PlanOptions& options) : options_(options) {}

  Plan make() {
    for (std::uint32_t i = 0; i < options_.count; ++i) {
      plan_.devices.push_back(fmt::format("{}{:03}", options_.prefix, i));
    }
    plan_.subscriptions.resize(options_.count);
    for (std::uint32_t i = 0; i < options_.count; ++i) add_tracks(i);
    for (std::uint32_t i = 0; i < options_.count; ++i) add_subscriptions(i);
    return std::move(plan_);
  }

 private:
  void track(std::uint32_t publisher, Kind kind, std::string topic) {
    plan_.tracks.push_back({static_cast<std::uint32_t>(plan_.tracks.size()), publisher,
                            std::move(topic), qos_of(kind, options_.qos), kind});
  }

  void add_tracks(std::uint32_t i) {
    const std::string& name = plan_.devices[i];
    track(i, Kind::kTemperature, fmt::format("dt/{}/temperature", name));
    track(i, Kind::kVibration, fmt::format("dt/{}/vibration", name));
    track(i, Kind::kAlarm, fmt::format("dt/{}/alarm/high", name));
    if (i % kHallSize != 0) return;
    const std::uint32_t hall = i / kHallSize;
    track(i, Kind::kDoor, fmt::format("hall/{}/door", hall));
    for (std::uint32_t fan = i + 1; fan < i + kHallSize && fan < options_.count; ++fan) {
      track(i, Kind::kFan, fmt::format("hall/{}/fan/{}", hall, plan_.devices[fan]));
    }
  }

  void subscribe(std::uint32_t device, Pattern pattern, std::string filter) {
    if (options_.pattern != "all" &&
        options_.pattern != kPatternNames[static_cast<std::size_t>(pattern)]) {
      return;
    }
    Subscription subscription{std::move(filter), pattern, {}};
    for (const Track& candidate : plan_.tracks) {
      if (wire::matches(subscription.filter, candidate.topic)) {
        subscription.tracks.push_back(candidate.id);
      }
    }
    plan_.subscriptions[device].push_back(std::move(subscription));
  }

  void add_subscriptions(std::uint32_t i) {
    const std::uint32_t hall = i / kHallSize;
    if (i % 2 == 1) {
      subscribe(i, Pattern::kOneToOne, fmt::format("dt/{}/temperature", plan_.devices[i - 1]));
    }
    if (i == 0) subscribe(i, Pattern::kManyToOne, "dt/+/alarm/#");
    if (i % kHallSize == 0) return;
    subscribe(i, Pattern::kOwnTopic, fmt::format("hall/{}/fan/{}", hall, plan_.devices[i]));
    subscribe(i, Pattern::kOneToMany, fmt::format("hall/{}/door", hall));
  }

  const PlanOptions& options_;
  Plan plan_;
};

}  // namespace

Plan make_plan(const PlanOptions& options) { return Planner(options).make(); }

}  // namespace tg::sim
