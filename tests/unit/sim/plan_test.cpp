#include "tests/sim/plan.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

using namespace tg::sim;

namespace {

std::size_t subscriptions_of(const Plan& plan, Pattern pattern) {
  std::size_t count = 0;
  for (const auto& device : plan.subscriptions) {
    count += static_cast<std::size_t>(
        std::count_if(device.begin(), device.end(),
                      [pattern](const Subscription& s) { return s.pattern == pattern; }));
  }
  return count;
}

}  // namespace

TEST_CASE("a topic has one publisher") {
  const Plan plan = make_plan({});
  std::set<std::string> topics;
  for (const Track& track : plan.tracks) topics.insert(track.topic);
  CHECK(topics.size() == plan.tracks.size());
  CHECK(plan.devices.size() == 200);
}

TEST_CASE("all four patterns are there, each of its shape") {
  const Plan plan = make_plan({});
  CHECK(subscriptions_of(plan, Pattern::kOneToOne) == 100);
  CHECK(subscriptions_of(plan, Pattern::kOwnTopic) == 190);
  CHECK(subscriptions_of(plan, Pattern::kOneToMany) == 190);
  CHECK(subscriptions_of(plan, Pattern::kManyToOne) == 1);
  const auto& wildcard = plan.subscriptions[0].front();
  CHECK(wildcard.filter == "dt/+/alarm/#");
  CHECK(wildcard.tracks.size() == 200);
  for (const auto& subscription : plan.subscriptions[7]) CHECK(subscription.tracks.size() == 1);
}

TEST_CASE("one pattern can be chosen, and one quality of service") {
  PlanOptions options;
  options.pattern = "one-to-many";
  options.qos = QosMix::kAll0;
  const Plan plan = make_plan(options);
  CHECK(subscriptions_of(plan, Pattern::kOneToMany) == 190);
  CHECK(subscriptions_of(plan, Pattern::kOneToOne) == 0);
  CHECK(std::all_of(plan.tracks.begin(), plan.tracks.end(),
                    [](const Track& track) { return track.qos == 0; }));
}

TEST_CASE("a mixed load has alarms at QoS 2, vibration at QoS 0 and the rest at QoS 1") {
  for (const Track& track : make_plan({}).tracks) {
    const int expected = track.kind == Kind::kAlarm ? 2 : track.kind == Kind::kVibration ? 0 : 1;
    CHECK(track.qos == expected);
  }
}

TEST_CASE("the shares of the load add up") {
  int sum = 0;
  for (const int share : kKindShare) sum += share;
  CHECK(sum == 100);
}
