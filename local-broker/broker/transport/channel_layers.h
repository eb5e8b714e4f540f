// What a channel has between the socket and MQTT, from the socket up. For channel*.cpp only.
#pragma once

#include <memory>
#include <string>

#include "local-broker/broker/transport/channel.h"
#include "local-broker/broker/transport/tls_stream.h"
#include "local-broker/broker/transport/web_socket.h"

namespace tg::broker {

struct Channel::Layers {
  std::unique_ptr<std::string> proxy_header;  // until it has been read
  std::unique_ptr<TlsStream> tls;
  std::unique_ptr<WebSocket> web;
  bool tls_is_open = false;
};

}  // namespace tg::broker
