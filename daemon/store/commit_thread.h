// The store thread (T1): takes one group at a time, commits it, tells the loop. A group that could
// not be committed goes back to the loop, which decides when it is tried again.
//
// Thread: submit() and close() are the loop's; events run on the loop through post.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "daemon/base/post.h"
#include "daemon/store/group.h"
#include "daemon/store/writer.h"

namespace tg::store {

class CommitThread {
 public:
  struct Events {
    std::function<void(Committed)> on_committed;
    // The group waits in take_back().
    std::function<void(Error)> on_failed;
    // A checkpoint; an empty text: it was done.
    std::function<void(std::string error)> on_checkpoint;
    // How far the backup of that order is; the last one is ready, or has failed.
    std::function<void(std::uint64_t order, BackupStatus)> on_backup;
  };

  CommitThread(Writer& writer, const Clock& clock, Post post, Events events);
  ~CommitThread();
  CommitThread(const CommitThread&) = delete;
  CommitThread& operator=(const CommitThread&) = delete;

  // Only when the one before has been committed or taken back.
  void submit(std::unique_ptr<Group> group);
  std::unique_ptr<Group> take_back();
  // A backup begins, or ends and its file goes. Groups come first. Returns the order's number.
  std::uint64_t set_backup(bool wanted);
  // Ends the thread: what was submitted is committed if that takes at most limit_ms. The group
  // comes back if it could not be committed and has not been taken back.
  std::unique_ptr<Group> close(std::int64_t limit_ms);

  // Since when the thread has been inside one call, in monotonic µs; 0 = it is not.
  [[nodiscard]] std::int64_t busy_since_us() const { return busy_since_us_.load(); }

 private:
  struct BackupOrder {
    std::uint64_t number = 0;
    bool wanted = false;
  };

  void run();
  void commit(std::unique_ptr<Group> group);
  void checkpoint(bool idle);
  void take_order(BackupOrder order);
  void step_backup();
  void tell(BackupStatus status);

  Writer& writer_;
  const Clock& clock_;
  const Post post_;
  const Events events_;
  std::atomic<std::int64_t> busy_since_us_{0};

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::condition_variable idle_;
  std::unique_ptr<Group> next_;
  std::unique_ptr<Group> uncommitted_;
  std::optional<BackupOrder> backup_order_;
  std::uint64_t backup_orders_ = 0;
  bool working_ = false;
  bool closing_ = false;

  bool checkpoint_failing_ = false;  // the thread's own, as the next two
  bool is_backing_up_ = false;
  std::uint64_t order_ = 0;  // the one that is carried out

  std::thread thread_;
};

}  // namespace tg::store
