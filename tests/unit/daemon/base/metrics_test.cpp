#include "daemon/base/metrics.h"

#include <catch2/catch.hpp>

using Catch::Matchers::Contains;

TEST_CASE("the same name and labels give the same counter") {
  tg::Metrics metrics;
  auto first = metrics.counter("tidegate_test_total", "Help", {{"stream", "a"}});
  auto second = metrics.counter("tidegate_test_total", "Help", {{"stream", "a"}});
  auto other = metrics.counter("tidegate_test_total", "Help", {{"stream", "b"}});
  first.add(2);
  second.add();
  CHECK(first.value() == 3);
  CHECK(other.value() == 0);
}

TEST_CASE("the text has help, type and values with labels") {
  tg::Metrics metrics;
  metrics.counter("tidegate_test_total", "What it counts", {{"stream", "a\"b"}}).add(5);
  metrics.gauge("tidegate_test_bytes", "A level").set(1.5);
  const std::string text = metrics.text();
  CHECK_THAT(text, Contains("# HELP tidegate_test_total What it counts\n"));
  CHECK_THAT(text, Contains("# TYPE tidegate_test_total counter\n"));
  CHECK_THAT(text, Contains("tidegate_test_total{stream=\"a\\\"b\"} 5\n"));
  CHECK_THAT(text, Contains("# TYPE tidegate_test_bytes gauge\n"));
  CHECK_THAT(text, Contains("tidegate_test_bytes 1.5\n"));
}

TEST_CASE("a handle of no registry counts nothing") {
  tg::Counter counter;
  counter.add(3);
  CHECK(counter.value() == 0);
  tg::Gauge gauge;
  gauge.set(3);
  CHECK(gauge.value() == 0.0);
}
