#include "plugins/aggregate/window.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

namespace aggregate {

void Window::add(double value) {
  min = count == 0 ? value : std::min(min, value);
  max = count == 0 ? value : std::max(max, value);
  ++count;
  mean += (value - mean) / static_cast<double>(count);
}

std::string Window::store() const {
  char text[160];
  std::snprintf(text, sizeof text, "%" PRId64 " %" PRIu64 " %a %a %a", start_ms, count, mean, min,
                max);
  return text;
}

std::optional<Window> Window::load(std::string_view text) {
  Window window;
  const std::string copy(text);
  const int fields =
      std::sscanf(copy.c_str(), "%" SCNd64 " %" SCNu64 " %la %la %la", &window.start_ms,
                  &window.count, &window.mean, &window.min, &window.max);
  return fields == 5 ? std::optional(window) : std::nullopt;
}

std::int64_t window_start(std::int64_t time_ms, std::int64_t length_ms) {
  const std::int64_t into = ((time_ms % length_ms) + length_ms) % length_ms;
  return time_ms - into;
}

}  // namespace aggregate
