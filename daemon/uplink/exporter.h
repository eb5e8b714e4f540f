// One export: reads a stream through its cursor, makes batches, and gives them to the session one
// by one. The cursor follows the watermark of acknowledgements.
//
// Order: first arrivals leave in sequence order. When the connection is gone it starts again at the
//   watermark, leaving out what had been acknowledged beyond it: only what was in flight is
//   doubled.
// A batch goes when it is full (records or bytes), or max_age after its first record was there;
//   then what would only begin another metering unit stays for the next one, with its own age.
//   The first batch after a start is early by a part of max_age that is the gateway's own, so that
//   gateways that were switched on together do not send together (TEL-6).
// Beyond the limits of the cloud, or refused by it for ever (refusals.h): a dead letter, and the
//   stream goes on. Five refused in a row for one reason: blocked, nothing more is sent.
// A gap is told in json and jsonl; raw passes over it with a log line.
// Paused by the operator: nothing is read or given away; a batch that was made waits, what is in
//   flight is acknowledged as ever. Set back: it begins anew at the source's position, and what is
//   in flight then moves the cursor no more.
// Memory: one chunk being read, one in use, one batch ready and one being made. Nothing without a
//   connection. Idle: no timer, no reading; the stream's on_advanced wakes it.
// Thread: the loop's (T0). Owner: Uplink.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/pipeline/dead_letters.h"
#include "daemon/uplink/ack_tracker.h"
#include "daemon/uplink/batch.h"
#include "daemon/uplink/refusals.h"
#include "daemon/uplink/sender.h"
#include "daemon/uplink/source.h"

namespace tg::uplink {

struct ExportOptions {
  std::string name;
  std::string stream;
  std::string topic;  // in raw, {topic} stands for the record's own
  Format format = Format::kJson;
  Compression compression = Compression::kNone;
  BatchLimits batch;
  PublishLimits limits;  // the cloud's
  std::int64_t max_age_ms = 5'000;
  bool live_first = false;    // the uplink's business, not the exporter's
  bool expensive = false;     // may use an expensive endpoint
  std::int64_t early_ms = 0;  // what the first batch is early by, below max_age_ms
  int priority = 5;           // the stream's
};

struct ExporterStatus {
  std::string name;
  std::string stream;
  Seq position = 1;                // acknowledged below
  std::uint64_t backlog = 0;       // records stored from there on that are not acknowledged
  std::size_t in_flight = 0;       // batches
  std::uint64_t sent_records = 0;  // acknowledged by the cloud, as the next two
  std::uint64_t sent_batches = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t metered_bytes = 0;         // that the cloud bills for them
  std::uint64_t metered_singly_bytes = 0;  // … if each record had been a publish of its own
  std::uint64_t dead_letters = 0;
  bool paused = false;           // by the operator
  std::string blocked;           // why nothing is sent; empty = it is not blocked
  std::int64_t last_ack_ms = 0;  // wall clock, 0 = none yet
};

using pipeline::Letters;

class Exporter final : public Sender {
 public:
  // on_ready: is_ready() may have become true, outside of take(). gateway, with_properties: what
  // the payloads and, at protocol 5, the user properties carry.
  Exporter(ExportOptions options, const std::string& gateway, bool with_properties, Source& source,
           const Clock& clock, Timers& timers, Metrics& metrics, Letters letters, Task on_ready);
  ~Exporter() override;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // The stream has new records, or a pause has ended.
  void on_advanced();
  // The source's position has been set back.
  void on_rewound();
  [[nodiscard]] ExporterStatus status() const;
  // Where it is with one record, in words for operators.
  [[nodiscard]] std::string progress(Seq seq) const;
  [[nodiscard]] const std::string& name() const { return options_.name; }
  // For a live-first export (live_first.h): [first, end) has been sent by the other lane, with
  // nothing in flight; begin anew at `next`, what is in flight counts no more; what has been
  // acknowledged above the watermark.
  void pass(Seq first, Seq end);
  void begin_at(Seq next);
  [[nodiscard]] std::vector<std::pair<Seq, Seq>> acknowledged() const {
    return tracker_.acknowledged();
  }
  // The operator has mended the cause: send again.
  void unblock();

  [[nodiscard]] bool is_ready() const override {
    return ready_.has_value() && !source_.is_paused();
  }
  [[nodiscard]] cloud::OutgoingPublish take(std::uint64_t id) override;
  void untake(std::uint64_t id) override;
  void acked(std::uint64_t id) override;
  void link_up(std::size_t batch_bytes) override;
  void link_grew(std::size_t batch_bytes) override { builder_.set_max_bytes(batch_bytes); }
  void link_closed(const LinkEnd& end) override;
  [[nodiscard]] bool refused(std::uint64_t id, const std::string& reason) override;
  void isolate(bool on) override { builder_.set_single(on); }
  [[nodiscard]] bool is_suspect() const override;
  [[nodiscard]] bool is_backlog() const override;
  [[nodiscard]] bool may_use_expensive() const override { return options_.expensive; }

 private:
  struct Sent {
    Seq first;
    Seq end;
    std::size_t items;
    std::size_t records;
    std::size_t bytes;
    std::uint64_t metered;
    std::uint64_t metered_singly;
  };

  // Nothing is to be sent for now.
  [[nodiscard]] bool is_held() const;
  // Works until a batch is ready or the records at hand are used up.
  void fill();
  // One step of it; false when there is nothing to do for now.
  [[nodiscard]] bool step();
  void add_gap();
  // False: it waits for room among the dead letters.
  [[nodiscard]] bool add_record(const store::Record& record);
  // What the cloud would not take: it is not sent. False as above.
  [[nodiscard]] bool set_aside(const store::Record& record, const std::string& why);
  // Into the batch as `sent`, or as `record` among the dead letters. False as above.
  [[nodiscard]] bool put(const store::Record& sent, const store::Record& record);
  [[nodiscard]] bool is_condemned() const;
  // What is condemned at next_ becomes a dead letter, or a gap that cannot be told is passed over.
  [[nodiscard]] bool take_out(const store::Record* record);
  [[nodiscard]] bool letter(Seq seq, const store::Record& record, const std::string& reason,
                            const Refusals::Condemned& attempts);
  void read_refused(std::uint64_t id, const Refusals::Condemned& refusal);
  void settle_refused(std::uint64_t id, const Refusals::Condemned& refusal,
                      const Result<store::Chunk>& chunk);
  void count_refusal(const std::string& reason);
  void block();
  [[nodiscard]] bool has_expired(const store::Record& record) const;
  // Since it was received, as far as the clocks can be trusted.
  [[nodiscard]] std::int64_t age_ms(const Timestamp& received, std::uint32_t boot) const;
  void pass_over(Seq end);
  void close_batch();
  void close_aged_batch();
  void begin_batch();
  void read_more();
  void on_read(Result<store::Chunk> chunk);
  void fill_and_tell();
  // Forgets all that was read; goes on at `next`.
  void restart_at(Seq next);
  void store_position();
  void cancel_age_timer();
  [[nodiscard]] cloud::OutgoingPublish make_publish(std::uint64_t id, Batch batch) const;
  void add_properties(cloud::OutgoingPublish& publish, Batch& batch) const;

  const ExportOptions options_;
  Envelope envelope_;
  const bool with_properties_;
  Source& source_;
  const Clock& clock_;
  Timers& timers_;
  const Task on_ready_;
  Counter records_sent_;
  Counter bytes_sent_;
  Counter metered_;
  Counter metered_singly_;
  Counter expired_;
  Gauge blocked_;

  const Letters letters_;
  AckTracker tracker_;
  Refusals refusals_;
  std::map<std::uint64_t, Sent> sent_;
  bool is_up_ = false;
  Seq next_;  // the next to be put into a batch
  store::Chunk chunk_;
  std::optional<Gap> gap_;  // before chunk_
  BatchBuilder builder_;
  std::optional<Batch> ready_;
  bool is_reading_ = false;
  bool is_dry_ = false;            // the last read found nothing; until on_advanced
  std::uint64_t read_number_ = 0;  // answers to older ones are dropped
  log::Limit set_aside_lines_{1, 60'000};
  log::Limit read_errors_{1, 60'000};
  std::optional<std::int64_t> available_since_ms_;  // the first record not in a finished batch
  std::int64_t unit_ms_ = 0;   // when the record at builder_.unit_end() was there
  std::int64_t early_ms_ = 0;  // of the first batch
  TimerId age_timer_ = 0;
  TimerId retry_timer_ = 0;  // after a read that failed
  TimerId room_timer_ = 0;   // for the dead letters
  ExporterStatus counts_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace tg::uplink
