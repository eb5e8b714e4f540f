// What the store tells of itself beside its state: counters, and a line in the log at the beginning
// of each episode (evictions of a stream for one reason, a slow disk, failing checkpoints, a full
// store), not for each commit of it.
//
// Thread: the loop's.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/metrics.h"
#include "daemon/store/episode.h"
#include "daemon/store/group.h"
#include "daemon/store/store.h"

namespace tg::store {

class Report {
 public:
  Report(Metrics& metrics, const StoreOptions& options);

  // In the order of their ids.
  void add_streams_and_readers(const StoreOptions& options);

  void appended(StreamId stream) { records_[stream].add(); }
  void dropped(StreamId stream);
  // before: what the database held until then.
  void committed(const Committed& result, const std::vector<Committed::Stream>& before,
                 const StoreOptions& options, std::int64_t mono_ms);
  void failed(ErrorCode code);
  void checkpointed(const std::string& error);
  void quarantined() { quarantines_.add(); }
  void pending(std::size_t bytes) { pending_.set(static_cast<double>(bytes)); }
  // Whether the store has to refuse a record for that stream.
  void full(bool is_full, const std::string& stream);

  [[nodiscard]] Counter corrupt() const { return corrupt_; }  // the reader thread counts
  [[nodiscard]] std::uint64_t evicted(StreamId stream) const { return streams_[stream].evicted; }
  [[nodiscard]] std::uint64_t missed(ReaderId reader) const { return missed_[reader].value(); }

 private:
  struct Stream {
    std::string name;
    std::uint64_t evicted = 0;
    std::map<std::string, Episode> evictions;  // by reason
    bool is_dropping = false;
  };

  void note_evictions(const Committed& result, const std::vector<Committed::Stream>& before,
                      const StoreOptions& options, std::int64_t mono_ms);
  void note_duration(std::int64_t duration_us);

  Metrics& metrics_;
  std::vector<Stream> streams_;
  std::vector<Counter> records_;                                    // by StreamId
  std::vector<Counter> dropped_;                                    // by StreamId
  std::vector<Counter> missed_;                                     // by ReaderId
  std::map<std::pair<std::string, std::string>, Counter> evicted_;  // by stream and reason
  Counter commits_;
  Counter commit_time_;
  Counter slow_commits_;
  Counter checkpoint_failures_;
  Counter corrupt_;
  Counter quarantines_;
  Gauge pending_;
  bool is_slow_ = false;
  bool is_full_ = false;
  bool is_checkpoint_failing_ = false;
};

}  // namespace tg::store
