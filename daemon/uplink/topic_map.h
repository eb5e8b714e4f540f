// Topics of one side to topics of the other: what the wildcards of one filter matched takes the
// place of the wildcards of the other, in order.
//
//   cmd/gw1/+/request → cmd/+/request      cmd/gw1/d7/request → cmd/d7/request
//   site/#            → plant/site/#       site               → plant/site
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tg::uplink {

// Nothing when `from` does not match the topic.
[[nodiscard]] std::optional<std::string> map_topic(std::string_view from, std::string_view to,
                                                   std::string_view topic);

}  // namespace tg::uplink
