// What a run proves: the devices' ledger against the cloud's. Pure: two logs in, a report out.
//
// Clean means: something was sent; no acknowledged message is lost; first arrivals of each stream
// come in sequence order and those of each track in its order; a key never names two messages;
// everything could be decoded; all QoS 1 and 2 was acknowledged in the end; no QoS 2 message was
// stored twice; no malformed connection was tolerated; and the devices' own subscriptions missed
// nothing and had no QoS 2 message twice. Other duplicates are counted and allowed.
#pragma once

#include <array>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "tests/sim/latency.h"
#include "tests/sim/ledger.h"
#include "tests/sim/timeline.h"

namespace tg::sim {

struct Report {
  using ByQos = std::array<std::uint64_t, 3>;

  ByQos published_by_qos = {};
  std::uint64_t acknowledged = 0;   // QoS 1 and 2
  std::uint64_t not_sampled = 0;    // QoS 0 without a connection, or a device's outbox was full
  ByQos arrived_by_qos = {};        // each message once
  std::uint64_t other_records = 0;  // made in the gateway: roll-ups
  std::uint64_t lost = 0;           // acknowledged and never arrived
  std::uint64_t resent = 0;         // duplicates with the same key: the gateway sent again
  std::uint64_t republished = 0;    // duplicates with a new key: the device sent again
  std::uint64_t stored_twice = 0;   // QoS 2, by their keys
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

  [[nodiscard]] std::uint64_t published() const { return sum(published_by_qos); }
  [[nodiscard]] std::uint64_t arrived() const { return sum(arrived_by_qos); }
  [[nodiscard]] std::uint64_t unacknowledged() const {
    return published() - published_by_qos[0] - acknowledged;
  }
  // What is wrong, a phrase each; empty = clean.
  [[nodiscard]] std::vector<std::string> troubles() const;

 private:
  static std::uint64_t sum(const ByQos& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  }
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
