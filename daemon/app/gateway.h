// The composition root: builds every floor, wires them, starts and stops them in order. Read
// start() as the table of contents of the daemon.
//
// Thread: the loop's (the main thread).
#pragma once

#include <memory>

#include "daemon/app/reloader.h"
#include "daemon/base/result.h"

namespace tg::app {

class Gateway {
 public:
  explicit Gateway(ConfigOrigin origin);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  // Everything that can fail, fails here: data directory, store, listeners, plugins, admin.
  Result<void> start();
  // Returns after SIGTERM or SIGINT, when all that was taken is committed and acknowledged.
  void run();
  // After run(): the process is to begin anew, as if it had just been started.
  [[nodiscard]] bool starts_again() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tg::app
