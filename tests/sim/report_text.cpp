#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/sim/report.h"

namespace tg::sim {
namespace {

using nlohmann::json;

// 1234567 → 1,234,567
std::string grouped(std::uint64_t value) {
  const std::string digits = std::to_string(value);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string latency_text(const Latency& latency) {
  if (latency.count == 0) return "-";
  return fmt::format("p50 {:.1f} ms  p90 {:.1f} ms  p99 {:.1f} ms  max {:.1f} ms", latency.p50_ms,
                     latency.p90_ms, latency.p99_ms, latency.max_ms);
}

std::string outages_text(const std::vector<Interval>& outages) {
  if (outages.empty()) return "none";
  std::string text;
  for (const Interval& outage : outages) {
    if (!text.empty()) text += ", ";
    text +=
        outage.end_us == 0
            ? std::string("one until the end")
            : fmt::format("{:.1f} s", static_cast<double>(outage.end_us - outage.begin_us) / 1e6);
  }
  return text;
}

json latency_json(const Latency& latency) {
  return {{"count", latency.count},
          {"p50_ms", latency.p50_ms},
          {"p90_ms", latency.p90_ms},
          {"p99_ms", latency.p99_ms},
          {"max_ms", latency.max_ms}};
}

json outages_json(const std::vector<Interval>& outages) {
  json out = json::array();
  for (const Interval& o : outages) out.push_back({{"begin_us", o.begin_us}, {"end_us", o.end_us}});
  return out;
}

void add_local(std::string& out, const LocalResults& local) {
  out +=
      fmt::format("  {:<14}{:>14}{:>11}{:>10}{:>13}{:>8}{:>14}{:>13}\n", "local", "subscriptions",
                  "received", "repeated", "QoS 2 twice", "missed", "out of order", "misdirected");
  for (std::size_t i = 0; i < local.size(); ++i) {
    const LocalCounts& c = local[i];
    if (c.subscriptions == 0 && c.received == 0 && c.is_clean()) continue;
    out += fmt::format("  {:<14}{:>14}{:>11}{:>10}{:>13}{:>8}{:>14}{:>13}\n", kPatternNames[i],
                       grouped(c.subscriptions), grouped(c.received), grouped(c.repeated),
                       grouped(c.repeated_qos2), grouped(c.missed), grouped(c.out_of_order),
                       grouped(c.misdirected));
  }
}

std::string short_latency(const Latency& latency) {
  if (latency.count == 0) return "-";
  return fmt::format("{:.1f} / {:.1f}", latency.p50_ms, latency.p99_ms);
}

// One line a stage; a run at one load has none.
void add_stages(std::string& out, const std::vector<StageResult>& stages) {
  if (stages.size() < 2) return;
  out += fmt::format("  {:<6}{:>9}{:>11}{:>10}{:>9}{:>6}{:>18}{:>18}\n", "load", "seconds",
                     "published", "a second", "success", "lost", "PUBACK p50/p99", "cloud p50/p99");
  for (const StageResult& stage : stages) {
    const double rate =
        stage.seconds > 0 ? static_cast<double>(stage.published) / stage.seconds : 0;
    out += fmt::format("  {:<6}{:>9.1f}{:>11}{:>10.0f}{:>8.2f}%{:>6}{:>18}{:>18}\n",
                       fmt::format("{} %", stage.percent), stage.seconds, grouped(stage.published),
                       rate, stage.success() * 100, grouped(stage.lost),
                       short_latency(stage.puback), short_latency(stage.arrival));
  }
  out += '\n';
}

json stages_json(const std::vector<StageResult>& stages) {
  json out = json::array();
  for (const StageResult& stage : stages) {
    out.push_back({{"percent", stage.percent},
                   {"seconds", stage.seconds},
                   {"published", stage.published},
                   {"owed", stage.owed},
                   {"acknowledged", stage.acknowledged},
                   {"lost", stage.lost},
                   {"success", stage.success()},
                   {"puback", latency_json(stage.puback)},
                   {"arrival", latency_json(stage.arrival)}});
  }
  return out;
}

void add_faults(std::string& out, const FaultCounts& faults) {
  if (!faults.any()) return;
  out += fmt::format(
      "  {:<24} {} disconnects, {} floods ({} publishes), {} malformed, {} slow readers\n",
      "faults made", grouped(faults.disconnects), grouped(faults.floods), grouped(faults.flooded),
      grouped(faults.malformed), grouped(faults.slow_readers));
}

json faults_json(const FaultCounts& faults) {
  return {{"disconnects", faults.disconnects}, {"floods", faults.floods},
          {"flooded", faults.flooded},         {"malformed", faults.malformed},
          {"tolerated", faults.tolerated},     {"slow_readers", faults.slow_readers}};
}

std::string by_qos(const Report::ByQos& counts) {
  return fmt::format("QoS 2 {}, QoS 1 {}, QoS 0 {}", grouped(counts[2]), grouped(counts[1]),
                     grouped(counts[0]));
}

void add_cost(std::string& out, const Report& report, const GatewayCost& cost) {
  if (cost.cpu_ms >= 0 && report.published() > 0) {
    out += fmt::format("  CPU of the gateway       {:.1f} µs a message ({:.2f} s in all)\n",
                       cost.cpu_ms * 1000 / static_cast<double>(report.published()),
                       cost.cpu_ms / 1000);
  }
  if (cost.peak_rss_kib >= 0) {
    out += fmt::format("  peak RSS of the gateway  {:.1f} MiB\n", cost.peak_rss_kib / 1024);
  }
}

}  // namespace

std::string report_text(const Report& report, const GatewayCost& cost) {
  std::string out;
  const auto row = [&out](const char* name, std::uint64_t value, const std::string& note) {
    out +=
        fmt::format("  {:<24} {:>9}{}{}\n", name, grouped(value), note.empty() ? "" : "   ", note);
  };
  row("published", report.published(), by_qos(report.published_by_qos));
  row("acknowledged (QoS 1, 2)", report.acknowledged, "");
  row("arrived in the cloud", report.arrived(),
      fmt::format("{}; and {} made by the gateway", by_qos(report.arrived_by_qos),
                  grouped(report.other_records)));
  row("LOST (QoS 1, 2)", report.lost, "acknowledged to the device, never arrived");
  row("order violations", report.stream_inversions + report.device_inversions,
      fmt::format("by stream {}, by device {}", report.stream_inversions,
                  report.device_inversions));
  row("duplicates", report.resent + report.republished,
      fmt::format("resent by the gateway {}, by devices {}; QoS 2 stored twice {}",
                  grouped(report.resent), grouped(report.republished),
                  grouped(report.stored_twice)));
  row("QoS 0 not arrived", report.published_by_qos[0] - report.arrived_by_qos[0],
      fmt::format("allowed; {} samples had no connection", grouped(report.not_sampled)));
  row("evicted, declared", report.declared_gaps,
      fmt::format("sequence numbers never seen: {}", grouped(report.unseen_sequence)));
  if (report.foreign > 0) row("not of this run", report.foreign, "");
  row("connections", report.connections.connects,
      fmt::format("lost without our doing: {}", grouped(report.connections.lost)));
  add_faults(out, report.faults);
  out += fmt::format("  {:<24} {}\n", "outages of the cloud", outages_text(report.cloud_outages));
  out +=
      fmt::format("  {:<24} {}\n", "outages of the gateway", outages_text(report.gateway_outages));
  out += fmt::format("  {:<24} {}\n", "device → cloud", latency_text(report.arrival_steady));
  out += fmt::format("  {:<24} {}\n", "  with the outages", latency_text(report.arrival));
  out +=
      fmt::format("  {:<24} {}\n", "device → PUBACK, PUBREC", latency_text(report.puback_steady));
  out += fmt::format("  {:<24} {}\n", "  with the outages", latency_text(report.puback));
  add_cost(out, report, cost);
  out += '\n';
  add_stages(out, report.stages);
  add_local(out, report.local);
  out += '\n';
  const auto troubles = report.troubles();
  for (const auto& trouble : troubles) out += fmt::format("  TROUBLE: {}\n", trouble);
  for (const auto& example : report.examples) out += fmt::format("  lost: {}\n", example);
  out += troubles.empty() ? "  clean: nothing acknowledged was lost, nothing came out of order\n"
                          : "  NOT CLEAN\n";
  return out;
}

std::string report_json(const Report& report, const GatewayCost& cost) {
  json local = json::object();
  for (std::size_t i = 0; i < report.local.size(); ++i) {
    const LocalCounts& c = report.local[i];
    local[std::string(kPatternNames[i])] = {{"subscriptions", c.subscriptions},
                                            {"received", c.received},
                                            {"repeated", c.repeated},
                                            {"repeated_qos2", c.repeated_qos2},
                                            {"missed", c.missed},
                                            {"missed_qos0", c.missed_qos0},
                                            {"out_of_order", c.out_of_order},
                                            {"misdirected", c.misdirected}};
  }
  const auto troubles = report.troubles();
  json out = {{"clean", troubles.empty()},
              {"troubles", troubles},
              {"published", report.published()},
              {"published_by_qos", report.published_by_qos},
              {"acknowledged", report.acknowledged},
              {"unacknowledged", report.unacknowledged()},
              {"not_sampled", report.not_sampled},
              {"arrived_by_qos", report.arrived_by_qos},
              {"other_records", report.other_records},
              {"lost", report.lost},
              {"lost_examples", report.examples},
              {"duplicates_resent", report.resent},
              {"duplicates_republished", report.republished},
              {"stored_twice", report.stored_twice},
              {"stream_inversions", report.stream_inversions},
              {"device_inversions", report.device_inversions},
              {"key_conflicts", report.key_conflicts},
              {"declared_gaps", report.declared_gaps},
              {"unseen_sequence", report.unseen_sequence},
              {"undecodable", report.undecodable},
              {"foreign", report.foreign},
              {"arrival", latency_json(report.arrival)},
              {"arrival_steady", latency_json(report.arrival_steady)},
              {"puback", latency_json(report.puback)},
              {"puback_steady", latency_json(report.puback_steady)},
              {"stages", stages_json(report.stages)},
              {"connects", report.connections.connects},
              {"connections_lost", report.connections.lost},
              {"faults", faults_json(report.faults)},
              {"cloud_outages", outages_json(report.cloud_outages)},
              {"gateway_outages", outages_json(report.gateway_outages)},
              {"local", local}};
  if (cost.cpu_ms >= 0) {
    out["cpu_ms"] = cost.cpu_ms;
    out["cpu_us_per_message"] =
        report.published() == 0 ? 0 : cost.cpu_ms * 1000 / static_cast<double>(report.published());
  }
  if (cost.peak_rss_kib >= 0) out["peak_rss_kib"] = cost.peak_rss_kib;
  return out.dump(2) + "\n";
}

}  // namespace tg::sim
