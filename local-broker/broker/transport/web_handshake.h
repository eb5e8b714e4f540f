// The HTTP request that turns a connection into a WebSocket (RFC 6455, 4.2), answered. Pure.
//
// Limits: 8 KiB of request. Wanted: version 13, the sub-protocol `mqtt` (or `mqttv3.1`), and, when
// a browser says where its page comes from, an origin that may: `origins` names them as
// "https://host:port", "*" is any; without any, the page must come from the host that is asked.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "local-broker/broker/transport/opening.h"

namespace tg::broker {

struct WebAnswer {
  OpenState state = OpenState::kBlocked;  // kBlocked: the request is not complete
  OpenFault fault = OpenFault::kNone;     // with kFailed
  std::size_t used = 0;                   // bytes of the request; frames may follow
  std::string response;                   // to be sent, with kFailed too
};

[[nodiscard]] WebAnswer answer_web_request(std::string_view received,
                                           const std::vector<std::string>& origins);

}  // namespace tg::broker
