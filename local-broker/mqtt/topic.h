// Topic names and filters by the letter of MQTT 3.1.1 §4.7 and MQTT 5 §4.7. Pure, no I/O.
#pragma once

#include <cstddef>
#include <string_view>

namespace tg::mqtt {

// 1 to 65,535 bytes of valid UTF-8 without wildcards.
[[nodiscard]] bool is_valid_topic_name(std::string_view topic);

// As a topic name, but `+` may stand as a whole level and `#` as the last one.
[[nodiscard]] bool is_valid_topic_filter(std::string_view filter);

// Both must be valid. A leading wildcard does not match a topic that begins with `$`.
[[nodiscard]] bool filter_matches(std::string_view filter, std::string_view topic);

[[nodiscard]] std::size_t level_count(std::string_view topic);

// Walks the levels: "a//b" has "a", "", "b". A topic has at least one level, which may be empty.
class Levels {
 public:
  explicit Levels(std::string_view path) : rest_(path) {}

  // False after the last level.
  bool next(std::string_view& level) {
    if (at_end_) return false;
    const std::size_t slash = rest_.find('/');
    level = rest_.substr(0, slash);
    at_end_ = slash == std::string_view::npos;
    rest_ = at_end_ ? std::string_view{} : rest_.substr(slash + 1);
    return true;
  }
  [[nodiscard]] bool at_end() const { return at_end_; }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool at_end_ = false;
};

}  // namespace tg::mqtt
