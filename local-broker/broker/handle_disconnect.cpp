// DISCONNECT: the client leaves of its own will, so its will is not published [MQTT-3.14.4-3].
#include "local-broker/broker/core.h"

namespace tg::broker {

void handle_disconnect(Core& core, Connection& connection, const mqtt::Frame& frame) {
  if (const auto fault = mqtt::decode_empty(frame); fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  connection.will.reset();
  close(core, connection, "DISCONNECT");
}

}  // namespace tg::broker
