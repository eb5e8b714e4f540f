// An export with `order: live-first`: after an outage what comes now is sent beside what waited.
// Two exporters over one stream, each in sequence order for itself:
//
//        watermark          split                     next
//   ─────────┼────────────────┼─────────────────────────┼──→
//    passed  │ backlog lane → │       live lane →       │
//
// At each connection the split moves to the end of the stream; what the live lane had been
// acknowledged before stays known to the backlog lane, which leaves it out. The durable position is
// the backlog lane's watermark, and the acknowledged ranges above it are kept in the store's state
// (at most kMaxRanges, saved at most once a second): after a crash only what was acknowledged in
// the last second, or lay in a range too many, is sent twice.
//
// Thread: the loop's (T0). Owner: Uplink.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/range_set.h"
#include "daemon/uplink/exporter.h"

namespace tg::uplink {

class LiveFirst {
 public:
  static constexpr std::size_t kMaxRanges = 64;
  static constexpr std::int64_t kSaveMs = 1'000;

  LiveFirst(const ExportOptions& options, const std::string& gateway, bool with_properties,
            Source& source, const Clock& clock, Timers& timers, Metrics& metrics,
            const Letters& letters, const Task& on_ready);
  ~LiveFirst();
  LiveFirst(const LiveFirst&) = delete;
  LiveFirst& operator=(const LiveFirst&) = delete;

  // Both, the backlog's first.
  [[nodiscard]] std::vector<Sender*> senders();
  void on_advanced();
  // The source's position has been set back: from there to the end of the stream is backlog.
  void on_rewound();
  void unblock();
  [[nodiscard]] ExporterStatus status() const;
  [[nodiscard]] const std::string& name() const { return live_->name(); }

 private:
  class Lane;  // a Source: the part of the stream that one of the exporters sees
  class Seat;  // a Sender: the exporter, once the ranges have been loaded

  void on_loaded(const std::string& ranges);
  void split();
  void store_position();
  [[nodiscard]] RangeSet acknowledged() const;
  void save();

  Source& source_;
  Timers& timers_;
  const Task on_ready_;
  bool is_loaded_ = false;
  bool is_rewound_ = false;  // what an earlier run had acknowledged counts no more
  Seq split_;
  TimerId save_timer_ = 0;
  std::unique_ptr<Lane> backlog_lane_;
  std::unique_ptr<Lane> live_lane_;
  std::unique_ptr<Exporter> backlog_;
  std::unique_ptr<Exporter> live_;
  std::unique_ptr<Seat> backlog_seat_;
  std::unique_ptr<Seat> live_seat_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace tg::uplink
