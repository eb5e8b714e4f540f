#include "daemon/base/log.h"
#include "daemon/base/source_limits.h"

#include <catch2/catch.hpp>

namespace tg {

TEST_CASE("a component follows the default level until it has one of its own") {
  const log::Component component("log-test-a");
  log::set_default_level(log::Level::kWarning);
  CHECK(component.enabled(log::Level::kError));
  CHECK(component.enabled(log::Level::kWarning));
  CHECK_FALSE(component.enabled(log::Level::kInfo));
  CHECK(log::set_component_level("log-test-a", log::Level::kDebug));
  CHECK(component.enabled(log::Level::kDebug));
  log::set_default_level(log::Level::kInfo);
  CHECK(component.enabled(log::Level::kDebug));
}

TEST_CASE("two components of one name share their level") {
  const log::Component first("log-test-b");
  const log::Component second("log-test-b");
  CHECK(log::set_component_level("log-test-b", log::Level::kError));
  CHECK_FALSE(first.enabled(log::Level::kWarning));
  CHECK_FALSE(second.enabled(log::Level::kWarning));
}

TEST_CASE("a component that does not exist has no level to set") {
  CHECK_FALSE(log::set_component_level("no-such-component", log::Level::kInfo));
}

TEST_CASE("a component can go back to the default level, and all are listed") {
  const log::Component component("log-test-c");
  log::set_default_level(log::Level::kInfo);
  CHECK(log::set_component_level("log-test-c", log::Level::kError));
  const auto state = [] {
    for (auto& each : log::components()) {
      if (each.name == "log-test-c") return each;
    }
    return log::ComponentState{"absent", log::Level::kError, false};
  };
  CHECK(state().name == "log-test-c");
  CHECK(state().level == log::Level::kError);
  CHECK(state().is_own);
  CHECK(log::clear_component_level("log-test-c"));
  CHECK(state().level == log::Level::kInfo);
  CHECK_FALSE(state().is_own);
  CHECK_FALSE(log::clear_component_level("no-such-component"));
}

TEST_CASE("levels have names") {
  CHECK(log::parse_level("warning") == log::Level::kWarning);
  CHECK_FALSE(log::parse_level("loud"));
  CHECK(std::string(log::to_string(log::Level::kDebug)) == "debug");
}

TEST_CASE("each source has a limit of its own, and the oldest is forgotten") {
  log::SourceLimits limits(1, 1000, 2);
  CHECK(limits.allow("noisy", 0));
  CHECK_FALSE(limits.allow("noisy", 1));
  CHECK(limits.allow("quiet", 2));
  CHECK(limits.allow("third", 3));
  CHECK(limits.size() == 2);
  CHECK(limits.allow("noisy", 4));
  CHECK_FALSE(limits.allow("third", 5));
}

TEST_CASE("a limit lets a burst through, counts the rest, and opens again") {
  log::Limit limit(2, 1000);
  CHECK(limit.allow(0));
  CHECK(limit.allow(1));
  CHECK_FALSE(limit.allow(2));
  CHECK_FALSE(limit.allow(999));
  CHECK(limit.allow(1000));
  CHECK(limit.take_suppressed() == 2);
  CHECK(limit.take_suppressed() == 0);
}

}  // namespace tg
