// One thread for what would hold up the loop: password hashes. Tasks run in order; what becomes of
// them is collected by the loop.
//
// Threads: all calls are the loop's. Limit: 1024 tasks waiting.
#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "daemon/base/bounded_queue.h"
#include "daemon/base/unique_fd.h"

namespace tg::broker {

class SlowWork {
 public:
  SlowWork();
  // Tasks that have not begun are dropped.
  ~SlowWork();
  SlowWork(const SlowWork&) = delete;
  SlowWork& operator=(const SlowWork&) = delete;

  // `work` runs in the thread, then `done` in collect(). False when too many wait.
  [[nodiscard]] bool submit(std::function<bool()> work, std::function<void(bool)> done);
  // Readable when collect() has something to do.
  [[nodiscard]] int fd() const { return wake_.get(); }
  void collect();

 private:
  struct Task {
    std::function<bool()> work;
    std::function<void(bool)> done;
    bool result = false;
  };
  void run();

  UniqueFd wake_;
  BoundedQueue<Task> tasks_;
  std::mutex mutex_;  // guards finished_
  std::vector<Task> finished_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace tg::broker
