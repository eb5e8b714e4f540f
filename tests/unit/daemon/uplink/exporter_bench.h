// An exporter with a fake source, fake time and a list of dead letters.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "daemon/uplink/exporter.h"
#include "tests/unit/daemon/uplink/fakes.h"

namespace tg::uplink {

struct ExporterBench {
  FakeTime time;
  Metrics metrics;
  FakeSource source;
  FakeLetters letters;
  int ready_calls = 0;
  std::unique_ptr<Exporter> exporter;
  std::uint64_t last_id = 0;

  explicit ExporterBench(ExportOptions options, bool with_properties = false) {
    options.name = "export";
    options.stream = "telemetry";
    exporter =
        std::make_unique<Exporter>(std::move(options), "gw", with_properties, source, time.clock,
                                   time.timers, metrics, letters.take(), [this] { ++ready_calls; });
  }

  void append(std::size_t count) {
    source.append_count(count);
    exporter->on_advanced();
    source.answer();
  }
  void link_up() {
    exporter->link_up(SIZE_MAX);
    source.answer();
  }
  // Takes all that is ready; "first-last" of each.
  std::vector<std::string> take_all() {
    std::vector<std::string> out;
    while (exporter->is_ready()) {
      out.push_back(range_of(exporter->take(++last_id).payload));
      source.answer();
    }
    return out;
  }
  void take_all_raw() {
    while (exporter->is_ready()) {
      static_cast<void>(exporter->take(++last_id));
      source.answer();
    }
  }
  static std::string range_of(const std::string& payload) {
    const auto json = nlohmann::json::parse(payload);
    const auto& records = json["records"];
    const auto& last = records[records.size() - 1];
    const auto end = last.contains("gap") ? last["gap"]["last"] : last["seq"];
    return json["first"].dump() + '-' + end.dump();
  }
};

inline ExportOptions json_of(std::size_t max_records) {
  ExportOptions options;
  options.topic = "dt/gw";
  options.batch.max_records = max_records;
  options.max_age_ms = 5000;
  return options;
}

inline ExportOptions raw() {
  ExportOptions options;
  options.topic = "up/{topic}";
  options.format = Format::kRaw;
  return options;
}

using Ranges = std::vector<std::string>;

}  // namespace tg::uplink
