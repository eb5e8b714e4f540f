// What a cloud takes as one publish. Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tg {

// Defaults: AWS IoT Core, which closes the connection for what is beyond them. Of Basic Ingest
// ($aws/rules/RULE/…) the first three levels of a topic count neither as levels nor as bytes.
struct PublishLimits {
  std::size_t payload_bytes = 128 * 1024;
  std::size_t topic_levels = 8;  // one more than slashes
  std::size_t topic_bytes = 256;
  bool operator==(const PublishLimits&) const = default;
};

// Why a topic, or a filter, would be refused: "a topic of 9 levels, and the cloud takes 8".
[[nodiscard]] std::optional<std::string> topic_problem(std::string_view topic,
                                                       const PublishLimits& limits);

}  // namespace tg
