// One line in the log for what comes in bursts, such as evictions: an episode of them, not each
// one. Pure.
#pragma once

#include <cstdint>
#include <optional>

namespace tg::store {

class Episode {
 public:
  static constexpr std::int64_t kQuietMs = 3'600'000;  // ends an episode

  // It happens; true when an episode begins with it.
  [[nodiscard]] bool happens(std::int64_t mono_ms) {
    const bool begins = !last_ms_ || mono_ms - *last_ms_ > kQuietMs;
    last_ms_ = mono_ms;
    return begins;
  }
  // Its cause has gone: the next one begins another.
  void end() { last_ms_.reset(); }

 private:
  std::optional<std::int64_t> last_ms_;
};

}  // namespace tg::store
