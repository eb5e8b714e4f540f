// What a store consists of, behind store.h: the open group and when it is due, what a commit
// changed, health, readers, backup. store_state.cpp has the work, store.cpp the interface.
//
// Thread: the loop's, but for what lies in thread_ and reader_.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/timers.h"
#include "daemon/store/commit_thread.h"
#include "daemon/store/gather.h"
#include "daemon/store/group.h"
#include "daemon/store/keys.h"
#include "daemon/store/reader.h"
#include "daemon/store/report.h"
#include "daemon/store/restore.h"
#include "daemon/store/store.h"
#include "daemon/store/writer.h"

namespace tg::store {

inline constexpr std::int64_t kNever = INT64_MAX;
// When a group is due that nothing else makes due sooner.
inline constexpr std::int64_t kQuietIntervalMs = 1000;  // it only moves cursors
inline constexpr std::int64_t kStateIntervalMs = 20;    // it has state or after_commit tasks
inline constexpr std::int64_t kBrokerIntervalMs = 20;   // it has changes that the broker waits for

class Store::State {
 public:
  State(StoreOptions options, const Clock& clock, Timers& timers, Post post, Metrics& metrics)
      : options_(std::move(options)),
        clock_(clock),
        timers_(timers),
        post_(std::move(post)),
        metrics_(metrics),
        alive_(std::make_shared<bool>(true)),
        report_(metrics, options_) {}

  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  Result<void> open();
  void reconfigure(StoreOptions next, Task done);
  void adopt(const StoreOptions& options, const Opened& opened);

  Admission admit(std::span<const StreamId> streams, std::size_t record_bytes);
  // A copy (salvaged, imported) comes from a boot that is not known; its age begins anew.
  Seq append(StreamId stream, Record record, bool is_copy = false);
  void await(Token token);
  void touch(std::int64_t interval_ms);
  void arm();
  void hand_over();
  void committed(Committed result);
  void failed(const Error& error);
  void replace_database();  // reading it fails
  void replaced(const Opened& opened);
  void note_paused(ReaderId reader);
  void begin_restore(const std::filesystem::path& set, const StateEntries& state);
  [[nodiscard]] std::optional<StreamId> stream_named(std::string_view name) const;
  [[nodiscard]] Restore::Target restore_target();
  [[nodiscard]] bool may_be_lost(std::span<const StreamId> streams) const;
  [[nodiscard]] bool is_full(StreamId stream, std::size_t record_bytes);
  void set_health(Health health, std::string_view reason);
  Result<void> begin_backup();
  void end_backup();
  void told_of_backup(std::uint64_t order, BackupStatus status);
  [[nodiscard]] std::unique_ptr<Group> new_group() const;
  [[nodiscard]] std::int64_t interval_of(std::int64_t configured_ms) const;
  void maintain();
  [[nodiscard]] std::filesystem::path file() const { return options_.directory / "streams.db"; }
  [[nodiscard]] const std::vector<Key>& keys() const { return keys_; }

  // Drops the call when the store has gone.
  [[nodiscard]] Post guarded_post() const {
    return [post = post_, alive = alive_](Task task) {
      post([alive, task = std::move(task)] {
        if (*alive) task();
      });
    };
  }

  // Constant after open(), but for adopt().
  StoreOptions options_;
  const Clock& clock_;
  Timers& timers_;
  const Post post_;
  Metrics& metrics_;
  std::shared_ptr<bool> alive_;  // read and written on the loop only
  std::string epoch_;
  std::uint32_t boot_ = 0;
  std::vector<ReaderStatus> detached_;
  Events events_;

  // Loop only.
  std::unique_ptr<Group> open_;
  bool committing_ = false;
  std::size_t committing_bytes_ = 0;
  std::vector<std::uint64_t> committing_stream_bytes_;
  std::vector<Committed::Stream> committed_;  // by StreamId: what the database holds
  std::vector<Seq> next_;                     // by StreamId: the next to be appended
  std::vector<bool> paused_;                  // by ReaderId
  std::int64_t last_start_ms_ = -kNever / 2;  // of a commit
  std::int64_t due_ms_ = kNever;
  std::int64_t retry_ms_ = -kNever / 2;  // no commit before, after one that failed
  std::int64_t retry_delay_ms_ = 0;
  std::int64_t failing_since_ms_ = 0;
  SpaceStatus space_;
  TimerId due_timer_ = 0;
  Gather gather_;
  TimerId maintenance_timer_ = 0;
  BackupStatus backup_;
  std::uint64_t backup_order_ = 0;
  TimerId backup_timer_ = 0;
  std::int64_t stretch_ = 1;
  bool room_wanted_ = false;
  Health health_ = Health::kOk;
  std::string failing_reason_;

  Report report_;

  std::vector<Key> keys_;
  std::unique_ptr<Restore> restore_;
  bool restore_waits_ = false;      // for what an earlier run has noted
  std::unique_ptr<Writer> writer_;  // the store thread's once thread_ runs
  std::unique_ptr<Reader> reader_;
  std::unique_ptr<CommitThread> thread_;
};

}  // namespace tg::store
