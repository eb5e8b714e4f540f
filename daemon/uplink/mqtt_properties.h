// A publish's MQTT 5 properties between the bytes that the local broker keeps and their fields.
// Pure.
#pragma once

#include <string>
#include <string_view>

#include "daemon/uplink/batch.h"

namespace tg::uplink {

// bytes: as mqtt::append_passed_on writes them; what is malformed ends it.
[[nodiscard]] PublishProperties read_mqtt_properties(std::string_view bytes);
// Without the expiry.
[[nodiscard]] std::string write_mqtt_properties(const PublishProperties& properties);

}  // namespace tg::uplink
