#include "daemon/store/report.h"

#include <algorithm>

#include "daemon/base/log.h"

namespace tg::store {
namespace {

const log::Component kLog{"store"};

constexpr std::int64_t kSlowUs = 1'000'000;  // a commit that is worth a line in the log

// Why records go before their readers have passed them; labels of metrics and words of gaps.
constexpr const char* kEvictionReasons[] = {"max_size", "max_age", "store_max_size",
                                            "store_min_free", "disk_full"};

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFull:
      return "full";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kIo:
      return "io";
    default:
      return "other";
  }
}

}  // namespace

Report::Report(Metrics& metrics, const StoreOptions& options)
    : metrics_(metrics),
      commits_(metrics.counter("tidegate_store_commits_total", "Transactions committed")),
      commit_time_(metrics.counter("tidegate_store_commit_seconds_total", "Time spent in commits")),
      slow_commits_(
          metrics.counter("tidegate_store_slow_commits_total", "Commits that took over 100 ms")),
      checkpoint_failures_(metrics.counter("tidegate_store_checkpoint_failures_total",
                                           "Checkpoints that failed and are tried again")),
      corrupt_(metrics.counter("tidegate_store_corrupt_records_total",
                               "Records skipped because their segment is damaged")),
      quarantines_(metrics.counter("tidegate_store_quarantines_total",
                                   "Damaged databases that were put aside")),
      pending_(
          metrics.gauge("tidegate_store_pending_bytes", "Bytes accepted and not yet committed")) {
  add_streams_and_readers(options);
}

void Report::add_streams_and_readers(const StoreOptions& options) {
  for (std::size_t i = streams_.size(); i < options.streams.size(); ++i) {
    const std::string& name = options.streams[i].name;
    streams_.emplace_back();
    streams_.back().name = name;
    records_.push_back(
        metrics_.counter("tidegate_store_records_total", "Records appended", {{"stream", name}}));
    dropped_.push_back(metrics_.counter("tidegate_store_dropped_total",
                                        "Records that found no room and whose sender was not told",
                                        {{"stream", name}}));
    for (const char* reason : kEvictionReasons) {
      evicted_[{name, reason}] =
          metrics_.counter("tidegate_store_evicted_total", "Records evicted by a limit",
                           {{"stream", name}, {"reason", reason}});
    }
  }
  for (std::size_t i = missed_.size(); i < options.readers.size(); ++i) {
    const auto& reader = options.readers[i];
    missed_.push_back(metrics_.counter("tidegate_store_missed_total",
                                       "Records evicted before this reader had passed them",
                                       {{"stream", reader.stream}, {"reader", reader.name}}));
  }
}

void Report::dropped(StreamId stream) {
  dropped_[stream].add();
  auto& entry = streams_[stream];
  if (std::exchange(entry.is_dropping, true)) return;
  log::warning(kLog, {{"STREAM", entry.name}, {"REASON", "full"}},
               "stream {}: it is full, and what comes is dropped", entry.name);
}

void Report::committed(const Committed& result, const std::vector<Committed::Stream>& before,
                       const StoreOptions& options, std::int64_t mono_ms) {
  commits_.add();
  note_duration(result.duration_us);
  note_evictions(result, before, options, mono_ms);
  for (std::size_t i = 0; i < result.missed.size(); ++i) {
    if (result.missed[i] > 0) missed_[i].add(result.missed[i]);
  }
}

void Report::note_evictions(const Committed& result, const std::vector<Committed::Stream>& before,
                            const StoreOptions& options, std::int64_t mono_ms) {
  for (std::size_t i = 0; i < result.streams.size(); ++i) {
    const auto& now = result.streams[i];
    auto& stream = streams_[i];
    for (const auto& eviction : now.evicted) {
      stream.evicted += eviction.records;
      evicted_[{stream.name, eviction.reason}].add(eviction.records);
      if (!stream.evictions[eviction.reason].happens(mono_ms)) continue;
      log::warning(kLog, {{"STREAM", stream.name}, {"REASON", eviction.reason}},
                   "stream {}: its oldest records are evicted ({})", stream.name, eviction.reason);
    }
    // A full stream evicts in steps: the episode ends with a commit that grows into real room. Age
    // has nothing to do with room.
    const bool grew = now.next != before[i].next;
    const std::uint64_t max_size = options.streams[i].max_size;
    const bool has_room =
        now.bytes + std::min<std::uint64_t>(4 * kSegmentBytes, max_size / 2) < max_size &&
        result.space.room_bytes > 16 * kSegmentBytes;
    if (!grew || !has_room) continue;
    for (auto& [reason, episode] : stream.evictions) {
      const bool goes_on = std::any_of(now.evicted.begin(), now.evicted.end(),
                                       [&](const auto& one) { return one.reason == reason; });
      if (!goes_on && reason != "max_age") episode.end();
    }
    stream.is_dropping = false;
  }
}

void Report::note_duration(std::int64_t duration_us) {
  commit_time_.add_us(duration_us);
  if (duration_us > kSlowUs / 10) slow_commits_.add();
  if (duration_us > kSlowUs && !is_slow_) {
    is_slow_ = true;
    log::warning(kLog, "the disk is slow: a commit took {} ms; acknowledgements wait for it",
                 duration_us / 1000);
  } else if (duration_us < kSlowUs / 10) {
    is_slow_ = false;
  }
}

void Report::failed(ErrorCode code) {
  metrics_
      .counter("tidegate_store_commit_failures_total", "Commits that failed and are tried again",
               {{"reason", name_of(code)}})
      .add();
}

void Report::checkpointed(const std::string& error) {
  if (error.empty()) {
    is_checkpoint_failing_ = false;
    log::info(kLog, "checkpoints work again");
    return;
  }
  checkpoint_failures_.add();
  if (!std::exchange(is_checkpoint_failing_, true)) {
    log::warning(kLog, "a checkpoint failed and is tried again; commits go on: {}", error);
  }
}

void Report::full(bool is_full, const std::string& stream) {
  if (is_full && !is_full_) {
    log::warning(kLog,
                 "the store is full: nothing more is taken for stream {}, and no stream of its "
                 "priority or below may be evicted for it",
                 stream);
  }
  is_full_ = is_full;
}

}  // namespace tg::store
