// A log limit for each source (a client, a stream), so that a noisy one does not silence the
// others. Of more sources than it can hold it forgets those that began longest ago.
//
// Thread: one. Memory: at most `max_sources` names and limits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/base/log.h"

namespace tg::log {

class SourceLimits {
 public:
  explicit SourceLimits(std::uint32_t burst = 10, std::int64_t interval_ms = 10'000,
                        std::size_t max_sources = 1024)
      : burst_(burst), interval_ms_(interval_ms), max_sources_(max_sources) {}

  // True when a line about this source may be written.
  [[nodiscard]] bool allow(std::string_view source, std::int64_t mono_ms) {
    auto found = limits_.find(source);
    if (found == limits_.end()) {
      if (limits_.size() >= max_sources_) {
        limits_.erase(order_.front());
        order_.pop_front();
      }
      order_.emplace_back(source);
      found = limits_.emplace(order_.back(), Limit(burst_, interval_ms_)).first;
    }
    return found->second.allow(mono_ms);
  }
  [[nodiscard]] std::size_t size() const { return limits_.size(); }

 private:
  const std::uint32_t burst_;
  const std::int64_t interval_ms_;
  const std::size_t max_sources_;
  std::list<std::string> order_;                        // oldest first
  std::unordered_map<std::string_view, Limit> limits_;  // keys view order_
};

}  // namespace tg::log
