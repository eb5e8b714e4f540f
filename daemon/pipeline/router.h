// Routes: which streams a publish goes to. A publish goes to every route that matches; two routes
// to one stream store it once.
//
// A filter that begins with a wildcard does not match `$…` (as in MQTT), nor `cmd/…`: commands are
// not telemetry (TEL-2).
//
// Thread: the loop's. A topic is matched once and remembered; the memory is bounded and is emptied
// when it is full, so that a device that invents topics costs time, not memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/store/store.h"

namespace tg::pipeline {

struct Route {
  std::string name;
  std::vector<std::string> filters;
  store::StreamId stream = 0;
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  // Streams in order of their ids, without repetition. Valid until the next call.
  [[nodiscard]] std::span<const store::StreamId> match(std::string_view topic);

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  [[nodiscard]] std::vector<store::StreamId> find(std::string_view topic) const;

  const std::vector<Route> routes_;
  std::unordered_map<std::string, std::vector<store::StreamId>, Hash, std::equal_to<>> known_;
  std::size_t known_bytes_ = 0;
};

}  // namespace tg::pipeline
