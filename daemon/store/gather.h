// When a commit that is due had better wait a moment (group commit): the senders that the last one
// answered are about to send again, and on a slow disk two half-full commits, one after the other,
// cost twice what one costs. It waits for as many publishes as there were senders, at most a
// quarter of what the last commit took; on a fast disk not at all.
//
// Pure; thread: the loop's.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tg::store {

class Gather {
 public:
  // A commit has answered so many; so many more have come meanwhile.
  void begin(std::size_t answered, std::size_t waiting, std::int64_t commit_us,
             std::int64_t now_ms) {
    wanted_ = answered + waiting;
    const std::int64_t limit_ms = (commit_us / 4 + 500) / 1000;
    until_ms_ = answered == 0 || limit_ms == 0 ? 0 : now_ms + limit_ms;
  }
  // True when they are all there now: the commit waits no longer.
  [[nodiscard]] bool is_complete(std::size_t waiting) {
    if (until_ms_ == 0 || waiting < wanted_) return false;
    end();
    return true;
  }
  void end() { until_ms_ = 0; }
  // 0 = there is nothing to wait for.
  [[nodiscard]] std::int64_t until_ms() const { return until_ms_; }

 private:
  std::size_t wanted_ = 0;
  std::int64_t until_ms_ = 0;
};

}  // namespace tg::store
