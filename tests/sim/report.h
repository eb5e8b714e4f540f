// What a run proves: the devices' ledger against the cloud's. Pure: two logs in, a report out.
//
// Clean means: something was sent; no acknowledged QoS 1 message is lost; first arrivals of each
// stream come in sequence order and those of each track in its order; a key never names two
// messages; everything could be decoded; all QoS 1 was acknowledged in the end; no malformed
// connection was tolerated; and the devices' own subscriptions missed nothing. Duplicates are
// counted and allowed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/latency.h"
#include "tests/sim/ledger.h"
#include "tests/sim/timeline.h"

namespace tg::sim {

struct Report {
  std::uint64_t published_qos0 = 0;
  std::uint64_t published_qos1 = 0;
  std::uint64_t acknowledged = 0;  // QoS 1
  std::uint64_t not_sampled = 0;   // QoS 0 without a connection, or a device's outbox was full
  std::uint64_t arrived_qos0 = 0;  // each message once
  std::uint64_t arrived_qos1 = 0;
  std::uint64_t other_records = 0;  // made in the gateway: roll-ups
  std::uint64_t lost = 0;           // acknowledged and never arrived
  std::uint64_t resent = 0;         // duplicates with the same key: the gateway sent again
  std::uint64_t republished = 0;    // duplicates with a new key: the device sent again
  std::uint64_t stream_inversions = 0;
  std::uint64_t device_inversions = 0;
  std::uint64_t key_conflicts = 0;
  std::uint64_t declared_gaps = 0;    // records the gateway says it evicted
  std::uint64_t unseen_sequence = 0;  // numbers between a stream's first and last that never came
  std::uint64_t undecodable = 0;
  std::uint64_t foreign = 0;  // not of this run
  bool devices_ended = false;
  Latency arrival;         // made → first arrival in the cloud
  Latency arrival_steady;  // the same, of messages that no outage touched
  Latency puback;          // made → acknowledged
  Latency puback_steady;
  std::vector<StageLog> stage_logs;
  std::vector<StageResult> stages;
  Timeline timeline;
  ConnectionCounts connections;
  FaultCounts faults;
  std::vector<Interval> cloud_outages;
  std::vector<Interval> gateway_outages;
  LocalResults local = {};
  std::vector<std::string> examples;  // of what was lost, the first few

  [[nodiscard]] std::uint64_t published() const { return published_qos0 + published_qos1; }
  [[nodiscard]] std::uint64_t unacknowledged() const { return published_qos1 - acknowledged; }
  // What is wrong, a phrase each; empty = clean.
  [[nodiscard]] std::vector<std::string> troubles() const;
};

[[nodiscard]] Report make_report(const DevicesLog& devices, const CloudLog& cloud);

// What the report cannot know by itself; negative = not given.
struct GatewayCost {
  double cpu_ms = -1;
  double peak_rss_kib = -1;
};

[[nodiscard]] std::string report_text(const Report& report, const GatewayCost& cost);
[[nodiscard]] std::string report_json(const Report& report, const GatewayCost& cost);

}  // namespace tg::sim
