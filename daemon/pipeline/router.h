// Routes: which streams a publish goes to. A publish goes to every route that matches; two routes
// to one stream store it once.
//
// A filter that begins with a wildcard does not match `$…` (as in MQTT), nor `cmd/…`, nor what is
// bridged: commands are not telemetry (TEL-2).
//
// Thread: the loop's. A topic is matched once and remembered; the memory is bounded and is emptied
// when it is full, so that a device that invents topics costs time, not memory.
#pragma once

#include <cstdint>
#include <optional>
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
  std::optional<store::StreamId> on_error = std::nullopt;  // takes what `stream` could not (TEL-12)
};

class Router {
 public:
  // bridged: filters of topics that leading wildcards do not match either.
  explicit Router(std::vector<Route> routes, std::vector<std::string> bridged = {});

  // Streams in order of their ids, without repetition. Valid until the next call.
  [[nodiscard]] std::span<const store::StreamId> match(std::string_view topic);
  // Where the routes that lead this topic to `stream` send what it could not take.
  [[nodiscard]] std::vector<store::StreamId> on_error(std::string_view topic,
                                                      store::StreamId stream) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };

  [[nodiscard]] std::vector<store::StreamId> find(std::string_view topic) const;
  [[nodiscard]] bool matches(const Route& route, std::string_view topic) const;

  const std::vector<Route> routes_;
  const std::vector<std::string> bridged_;
  std::unordered_map<std::string, std::vector<store::StreamId>, Hash, std::equal_to<>> known_;
  std::size_t known_bytes_ = 0;
};

}  // namespace tg::pipeline
