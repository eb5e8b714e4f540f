#include "tests/sim/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

namespace tg::sim {
namespace {

constexpr double kWidth = 960;
constexpr double kLeft = 80;
constexpr double kRight = 20;
constexpr double kTop = 50;
constexpr double kPanelHeight = 170;
constexpr double kPanelGap = 50;
constexpr std::size_t kPanels = 3;
constexpr double kHeight = kTop + kPanels * (kPanelHeight + kPanelGap);
constexpr int kTicks = 5;
constexpr std::array<std::string_view, 4> kColours = {"#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"};

struct Line {
  std::string_view name;
  std::function<double(const Step&)> value;
};

// The least of 1, 2, 5 times a power of ten that is not below `value`.
double round_up(double value) {
  if (value <= 0) return 1;
  const double power = std::pow(10, std::floor(std::log10(value)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (value <= factor * power) return factor * power;
  }
  return 10 * power;
}

std::string number_text(double value) {
  if (value >= 1e6) return fmt::format("{:g}M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:g}k", value / 1e3);
  return fmt::format("{:g}", value);
}

class Picture {
 public:
  explicit Picture(const Report& report) : report_(report), timeline_(report.timeline) {
    seconds_ =
        static_cast<double>(timeline_.steps.size()) * static_cast<double>(timeline_.step_us) / 1e6;
  }

  std::string draw() {
    put(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" )"
        R"(font-family="sans-serif" font-size="12">)"
        "\n",
        kWidth, kHeight);
    put("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
    text(kLeft, 24, "start", title());
    panel("messages a second", {{"published", [](const Step& s) { return s.published; }},
                                {"acknowledged", [](const Step& s) { return s.acknowledged; }},
                                {"arrived in the cloud", [](const Step& s) { return s.arrived; }}});
    panel("backlog: acknowledged, not yet in the cloud",
          {{"messages", [](const Step& s) { return static_cast<double>(s.backlog); }}});
    panel("latency, ms", {{"PUBACK p50", [](const Step& s) { return s.puback_p50_ms; }},
                          {"PUBACK p99", [](const Step& s) { return s.puback_p99_ms; }},
                          {"cloud p50", [](const Step& s) { return s.arrival_p50_ms; }},
                          {"cloud p99", [](const Step& s) { return s.arrival_p99_ms; }}});
    put("</svg>\n");
    return std::move(out_);
  }

 private:
  template <class... Args>
  void put(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out_), format, std::forward<Args>(args)...);
  }

  void text(double x, double y, std::string_view anchor, std::string_view words) {
    put("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor, words);
  }

  [[nodiscard]] std::string title() const {
    return fmt::format("{} published, {} acknowledged, {} lost; {}", report_.published(),
                       report_.acknowledged, report_.lost,
                       report_.troubles().empty() ? "clean" : "NOT CLEAN");
  }

  // x of a time in seconds from the begin.
  [[nodiscard]] double x_of(double seconds) const {
    const double part = seconds_ > 0 ? std::clamp(seconds / seconds_, 0.0, 1.0) : 0;
    return kLeft + part * (kWidth - kLeft - kRight);
  }
  [[nodiscard]] double x_of_us(std::int64_t time_us) const {
    return x_of(static_cast<double>(time_us - timeline_.begin_us) / 1e6);
  }

  void panel(std::string_view name, const std::vector<Line>& lines) {
    const double top = kTop + static_cast<double>(panel_++) * (kPanelHeight + kPanelGap);
    double highest = 0;
    for (const Line& line : lines) {
      for (const Step& step : timeline_.steps) highest = std::max(highest, line.value(step));
    }
    const double tick = round_up(highest / kTicks);
    const double scale = kPanelHeight / (tick * kTicks);
    shade(top);
    axes(top, tick);
    text(kLeft, top - 6, "start", name);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      draw_line(lines[i], kColours[i], top, scale);
      const double x = kWidth - kRight - 150 * static_cast<double>(lines.size() - 1 - i);
      put("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\" fill=\"{}\">{}</text>\n", x, top - 6,
          kColours[i], lines[i].name);
    }
  }

  void shade(double top) {
    const auto area = [this, top](const std::vector<Interval>& outages, std::string_view colour) {
      for (const Interval& outage : outages) {
        const double begin = x_of_us(outage.begin_us);
        const double end = outage.end_us == 0 ? x_of(seconds_) : x_of_us(outage.end_us);
        put("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n", begin,
            top, std::max(end - begin, 1.0), kPanelHeight, colour);
      }
    };
    area(report_.cloud_outages, "#dde6f2");    // the cloud was away
    area(report_.gateway_outages, "#f6d5d5");  // the gateway was away
  }

  void axes(double top, double tick) {
    for (int i = 0; i <= kTicks; ++i) {
      const double y = top + kPanelHeight - kPanelHeight * i / kTicks;
      put("<line x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", kLeft, y,
          kWidth - kRight, y);
      text(kLeft - 6, y + 4, "end", number_text(tick * i));
    }
    const double second_tick = std::max(1.0, round_up(seconds_ / 12));
    for (double second = 0; second <= seconds_; second += second_tick) {
      text(x_of(second), top + kPanelHeight + 16, "middle", fmt::format("{:g} s", second));
    }
    for (std::size_t i = 0; i < report_.stage_logs.size() && report_.stage_logs.size() > 1; ++i) {
      const double x = x_of_us(report_.stage_logs[i].begin_us);
      put("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#999\" "
          "stroke-dasharray=\"4 3\"/>\n",
          x, top, top + kPanelHeight);
      text(x + 3, top + 12, "start", fmt::format("{} %", report_.stage_logs[i].percent));
    }
  }

  void draw_line(const Line& line, std::string_view colour, double top, double scale) {
    put("<polyline fill=\"none\" stroke=\"{}\" stroke-width=\"1.5\" points=\"", colour);
    const double step_s = static_cast<double>(timeline_.step_us) / 1e6;
    for (std::size_t i = 0; i < timeline_.steps.size(); ++i) {
      put("{:.1f},{:.1f} ", x_of((static_cast<double>(i) + 0.5) * step_s),
          top + kPanelHeight - line.value(timeline_.steps[i]) * scale);
    }
    put("\"/>\n");
  }

  const Report& report_;
  const Timeline& timeline_;
  double seconds_ = 0;
  std::size_t panel_ = 0;
  std::string out_;
};

}  // namespace

std::string plot_svg(const Report& report) { return Picture(report).draw(); }

}  // namespace tg::sim
