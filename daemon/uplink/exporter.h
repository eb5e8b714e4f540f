// One export: reads a stream through its cursor, makes batches, and gives them to the session one
// by one. The cursor follows the watermark of acknowledgements.
//
// Order: first arrivals leave in sequence order. When the connection is gone it starts again at the
//   watermark, leaving out what had been acknowledged beyond it: only what was in flight is
//   doubled.
// A batch goes when it is full (records or bytes), or max_age after its first record was there.
// Too large for any publish: logged once per run of such records, counted and passed over.
// A gap is told in json and jsonl; raw passes over it with a log line.
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

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/uplink/ack_tracker.h"
#include "daemon/uplink/batch.h"
#include "daemon/uplink/sender.h"
#include "daemon/uplink/source.h"

namespace tg::uplink {

struct ExportOptions {
  std::string name;
  std::string stream;
  std::string topic;  // in raw, {topic} stands for the record's own
  Format format = Format::kJson;
  BatchLimits batch;
  std::int64_t max_age_ms = 5'000;
  int priority = 5;  // the stream's
};

struct ExporterStatus {
  std::string name;
  std::string stream;
  Seq position = 1;                // acknowledged below
  std::uint64_t backlog = 0;       // records from there on
  std::size_t in_flight = 0;       // batches
  std::uint64_t sent_records = 0;  // acknowledged by the cloud, as the next two
  std::uint64_t sent_batches = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t oversize = 0;
  std::int64_t last_ack_ms = 0;  // wall clock, 0 = none yet
};

class Exporter final : public Sender {
 public:
  // on_ready: is_ready() has become true, outside of take(). gateway, with_properties: what the
  // payloads and, at protocol 5, the user properties carry.
  Exporter(ExportOptions options, const std::string& gateway, bool with_properties, Source& source,
           const Clock& clock, Timers& timers, Metrics& metrics, Task on_ready);
  ~Exporter() override;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  // The stream has new records.
  void on_advanced();
  [[nodiscard]] ExporterStatus status() const;
  // Where it is with one record, in words for operators.
  [[nodiscard]] std::string progress(Seq seq) const;

  [[nodiscard]] bool is_ready() const override { return ready_.has_value(); }
  [[nodiscard]] cloud::OutgoingPublish take(std::uint64_t id) override;
  void untake(std::uint64_t id) override;
  void acked(std::uint64_t id) override;
  void link_up() override;
  void link_closed() override;

 private:
  struct Sent {
    Seq first;
    std::size_t records;
    std::size_t bytes;
  };

  // Works until a batch is ready or the records at hand are used up.
  void fill();
  // One step of it; false when there is nothing to do for now.
  [[nodiscard]] bool step();
  void add_gap();
  void add_record(const store::Record& record);
  void pass_over(Seq end);
  void close_batch();
  void begin_batch();
  void read_more();
  void on_read(Result<store::Chunk> chunk);
  void fill_and_tell();
  // Forgets all that was read; goes on at `next`.
  void restart_at(Seq next);
  void store_position();
  void cancel_age_timer();
  [[nodiscard]] cloud::OutgoingPublish make_publish(std::uint64_t id, Batch batch) const;

  const ExportOptions options_;
  Envelope envelope_;
  const bool with_properties_;
  Source& source_;
  const Clock& clock_;
  Timers& timers_;
  const Task on_ready_;
  Counter records_sent_;
  Counter bytes_sent_;
  Counter oversize_;

  AckTracker tracker_;
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
  bool in_oversize_run_ = false;
  log::Limit read_errors_{1, 60'000};
  std::optional<std::int64_t> available_since_ms_;  // the first record not in a finished batch
  TimerId age_timer_ = 0;
  TimerId retry_timer_ = 0;  // after a read that failed
  ExporterStatus counts_;
  const std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace tg::uplink
