// DISCONNECT: the client leaves of its own will, so its will is not published [MQTT-3.14.4-3];
// a version 5 client that gives a reason asks for it.
#include "local-broker/broker/core.h"

namespace tg::broker {

void handle_disconnect(Core& core, Connection& connection, const mqtt::Frame& frame) {
  mqtt::Disconnect packet;
  auto fault = mqtt::decode_disconnect(connection.version, frame, packet);
  Session& session = *connection.session;
  if (fault == mqtt::Fault::kNone && packet.session_expiry_s) {
    // One that was to end with its connection cannot be prolonged any more [MQTT-3.14.2-2].
    if (session.is_transient() && *packet.session_expiry_s > 0) fault = mqtt::Fault::kPropertyValue;
    if (fault == mqtt::Fault::kNone)
      session.expires_after_ms = expiry_of(core, *packet.session_expiry_s);
  }
  if (fault != mqtt::Fault::kNone) {
    close_for(core, connection, fault);
    return;
  }
  if (packet.reason == mqtt::Reason::kSuccess) connection.will.reset();
  close(core, connection, "DISCONNECT");
}

}  // namespace tg::broker
