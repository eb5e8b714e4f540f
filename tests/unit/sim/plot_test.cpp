#include "tests/sim/plot.h"

#include <catch2/catch.hpp>

using namespace tg::sim;
using Catch::Matchers::Contains;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

Report short_run() {
  Report report;
  report.timeline.begin_us = 1'000'000;
  report.timeline.steps = {{100, 90, 0, 90, 1, 5, 0, 0}, {200, 200, 290, 0, 2, 8, 30, 60}};
  return report;
}

}  // namespace

TEST_CASE("a plot has three panels and a line for each figure") {
  const std::string svg = plot_svg(short_run());
  CHECK(svg.starts_with("<svg xmlns="));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "<polyline") == 8);
  for (const char* name : {"messages a second", "backlog", "latency, ms", "PUBACK p99"}) {
    CHECK_THAT(svg, Contains(name));
  }
  CHECK(count(svg, "nan") == 0);
  CHECK(count(svg, "inf") == 0);
}

TEST_CASE("outages are shaded in each panel, stages are marked when there are several") {
  auto shown = short_run();
  shown.cloud_outages = {{1'500'000, 0}};
  shown.stage_logs = {{1'000'000, 100}};
  CHECK(count(plot_svg(shown), "#dde6f2") == 3);
  CHECK(count(plot_svg(shown), "stroke-dasharray") == 0);
  shown.stage_logs = {{1'000'000, 10}, {2'000'000, 100}};
  CHECK(count(plot_svg(shown), "stroke-dasharray") == 6);
}

TEST_CASE("a run without messages is an empty picture") {
  const std::string svg = plot_svg(Report{});
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "nan") == 0);
}
