#include "tests/sim/local_check.h"

#include <catch2/catch.hpp>

#include <fmt/format.h>

using namespace tg::sim;

namespace {

// Device 1 reads dt/d000/temperature (QoS 1) of device 0, and what a hall's devices read.
struct Fixture {
  explicit Fixture(QosMix qos = QosMix::kMixed) {
    PlanOptions options;
    options.count = 2;
    options.qos = qos;
    options.pattern = "one-to-one";
    plan = make_plan(options);
    made.resize(plan.tracks.size());
  }
  void deliver(LocalCheck& check, std::uint64_t n) {
    check.delivered(kTopic, fmt::format(R"({{"device":"d000","n":{},"t":1}})", n), results);
  }
  [[nodiscard]] const LocalCounts& counts() const { return results[0]; }

  static constexpr std::string_view kTopic = "dt/d000/temperature";
  Plan plan;
  std::vector<std::uint64_t> made;
  LocalResults results = {};
};

}  // namespace

TEST_CASE("messages in order are clean") {
  Fixture f;
  LocalCheck check(f.plan, 1, f.made);
  check.session_began();
  f.made[0] = 3;
  for (const std::uint64_t n : {1U, 2U, 3U}) f.deliver(check, n);
  CHECK(f.counts().received == 3);
  CHECK(f.counts().is_clean());
  CHECK(check.is_caught_up());
}

TEST_CASE("a hole is missed at QoS 1 and allowed at QoS 0") {
  Fixture reliable;
  LocalCheck reliable_check(reliable.plan, 1, reliable.made);
  reliable.deliver(reliable_check, 1);
  reliable.deliver(reliable_check, 4);
  CHECK(reliable.counts().missed == 2);
  CHECK_FALSE(reliable.counts().is_clean());

  Fixture loose(QosMix::kAll0);
  LocalCheck loose_check(loose.plan, 1, loose.made);
  loose.deliver(loose_check, 1);
  loose.deliver(loose_check, 4);
  CHECK(loose.counts().missed_qos0 == 2);
  CHECK(loose.counts().is_clean());
}

TEST_CASE("a repeat is allowed at QoS 1, out of order at QoS 0 and an error at QoS 2") {
  Fixture reliable;
  LocalCheck reliable_check(reliable.plan, 1, reliable.made);
  for (const std::uint64_t n : {1U, 2U, 1U, 2U, 3U}) reliable.deliver(reliable_check, n);
  CHECK(reliable.counts().repeated == 2);
  CHECK(reliable.counts().is_clean());

  Fixture loose(QosMix::kAll0);
  LocalCheck loose_check(loose.plan, 1, loose.made);
  for (const std::uint64_t n : {2U, 1U}) loose.deliver(loose_check, n);
  CHECK(loose.counts().out_of_order == 1);

  Fixture exactly_once(QosMix::kAll2);
  LocalCheck exactly_once_check(exactly_once.plan, 1, exactly_once.made);
  for (const std::uint64_t n : {1U, 2U, 2U}) exactly_once.deliver(exactly_once_check, n);
  CHECK(exactly_once.counts().repeated_qos2 == 1);
  CHECK_FALSE(exactly_once.counts().is_clean());
}

TEST_CASE("a new session does not owe what was made before it") {
  Fixture f;
  LocalCheck check(f.plan, 1, f.made);
  f.made[0] = 10;
  check.session_began();
  CHECK(check.is_caught_up());
  f.made[0] = 11;
  CHECK_FALSE(check.is_caught_up());
  f.deliver(check, 9);  // was still under way
  f.deliver(check, 11);
  CHECK(f.counts().is_clean());
  CHECK(check.is_caught_up());
}

TEST_CASE("what has not come in the end is missed") {
  Fixture f;
  LocalCheck check(f.plan, 1, f.made);
  check.session_began();
  f.made[0] = 5;
  f.deliver(check, 1);
  check.finish(f.results);
  CHECK(f.counts().missed == 4);
}

TEST_CASE("a message for somebody else, or that is none, is misdirected") {
  Fixture f;
  LocalCheck check(f.plan, 1, f.made);
  check.delivered("dt/d001/temperature", R"({"device":"d001","n":1})", f.results);
  check.delivered(Fixture::kTopic, "hello", f.results);
  CHECK(f.counts().misdirected == 2);
  CHECK_FALSE(f.counts().is_clean());
}
