// The uplink: one session with the cloud and the exports that go through it, as the app sees it.
//
//   Uplink uplink(options, link, std::move(sources), clock, timers, metrics, seed);
//   uplink.start();  …  uplink.on_advanced(stream);  …  uplink.stop(drain_ms, done);
//
// Thread: the loop's (T0). The link, the clock, the timers and the metrics outlive it.
// Stopping sends nothing more: batches that wait for their age are durable and go at the next
// start.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/cloud/link.h"
#include "daemon/uplink/bridge.h"
#include "daemon/uplink/exporter.h"
#include "daemon/uplink/live_first.h"
#include "daemon/uplink/session.h"
#include "daemon/uplink/source.h"

namespace tg::uplink {

struct UplinkOptions {
  SessionOptions session;
  std::string gateway_id;
  PublishLimits limits;
  std::vector<ExportOptions> exports;
  std::vector<BridgeRule> bridge;
};

struct UplinkStatus {
  std::string name;
  SessionStatus session;
  std::vector<ExporterStatus> exports;
};

class Uplink {
 public:
  // sources[i] is what exports[i] reads.
  Uplink(UplinkOptions options, cloud::Link& link, std::vector<std::unique_ptr<Source>> sources,
         const Clock& clock, Timers& timers, Metrics& metrics, std::uint64_t seed,
         const Letters& letters);

  void start() { session_.start(); }
  // Waits at most drain_ms for acknowledgements, then closes the link; done runs once, at the
  // latest 3 s later.
  void stop(std::int64_t drain_ms, Task done) { session_.stop(drain_ms, std::move(done)); }
  [[nodiscard]] const std::string& name() const { return name_; }
  // Null when nothing is bridged.
  [[nodiscard]] Bridge* bridge() { return bridge_ ? &*bridge_ : nullptr; }
  // The stream has new committed records.
  void on_advanced(store::StreamId stream);
  // The operator has set a reader back.
  void on_rewound(store::ReaderId reader);
  [[nodiscard]] UplinkStatus status() const;
  // Where an export is with one record, in words; empty when it has no such export.
  [[nodiscard]] std::string progress(std::string_view name, Seq seq) const;
  // False when there is no such export.
  [[nodiscard]] bool unblock(std::string_view name);

 private:
  const std::string name_;
  std::vector<std::unique_ptr<Source>> sources_;
  Session session_;
  std::optional<Bridge> bridge_;
  // Parallel to sources_; the order decides which of the two an export is.
  std::vector<std::unique_ptr<Exporter>> exporters_;
  std::vector<std::unique_ptr<LiveFirst>> live_first_;
};

}  // namespace tg::uplink
