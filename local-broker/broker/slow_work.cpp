#include "local-broker/broker/slow_work.h"

#include <sys/eventfd.h>

#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/thread_name.h"

namespace tg::broker {
namespace {

constexpr std::size_t kMaxWaiting = 1024;

}  // namespace

SlowWork::SlowWork()
    : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      tasks_(kMaxWaiting),
      thread_([this] { run(); }) {
  TG_ASSERT(wake_.is_open());
}

SlowWork::~SlowWork() {
  tasks_.close();
  thread_.join();
}

bool SlowWork::submit(std::function<bool()> work, std::function<void(bool)> done) {
  return tasks_.push({std::move(work), std::move(done)});
}

void SlowWork::run() {
  name_thread("slow-work");
  while (auto task = tasks_.pop()) {
    if (tasks_.is_closed()) continue;
    task->result = task->work();
    {
      const std::lock_guard lock(mutex_);
      finished_.push_back(std::move(*task));
    }
    ::eventfd_write(wake_.get(), 1);
  }
}

void SlowWork::collect() {
  eventfd_t count = 0;
  ::eventfd_read(wake_.get(), &count);
  std::vector<Task> finished;
  {
    const std::lock_guard lock(mutex_);
    finished.swap(finished_);
  }
  for (const Task& task : finished) task.done(task.result);
}

}  // namespace tg::broker
