// When a commit that is due had better wait a moment (group commit): the senders that the last one
// answered are about to send again. The first of them would have a commit for itself, the others
// the one after it, and two half-full commits cost twice what one costs. It waits for as many
// publishes as there were senders, at most a third of what the last commit took, and 100 ms: after
// a disk that hung they may be gone.
//
// Pure; thread: the loop's.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tg::store {

class Gather {
 public:
  // A commit has answered so many; so many more have come meanwhile.
  void begin(std::size_t answered, std::size_t waiting, std::int64_t commit_us,
             std::int64_t now_us) {
    wanted_ = answered + waiting;
    until_us_ = answered == 0 ? 0 : now_us + std::min(commit_us / kShare, kMostUs);
  }
  // True when they are all there now: the commit waits no longer.
  [[nodiscard]] bool is_complete(std::size_t waiting) {
    if (until_us_ == 0 || waiting < wanted_) return false;
    end();
    return true;
  }
  void end() { until_us_ = 0; }
  // 0 = there is nothing to wait for.
  [[nodiscard]] std::int64_t until_us() const { return until_us_; }

 private:
  static constexpr std::int64_t kShare = 3;
  static constexpr std::int64_t kMostUs = 100'000;

  std::size_t wanted_ = 0;
  std::int64_t until_us_ = 0;
};

}  // namespace tg::store
