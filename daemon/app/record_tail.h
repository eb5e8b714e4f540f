// What a record keeps of a publish's MQTT 5 properties (daemon/store/record.h has the tags):
// content type, user properties in their order, message expiry, response topic, correlation data,
// payload format. Pure.
#pragma once

#include <string>

#include "local-broker/broker/hooks.h"

namespace tg::app {

// Appends them to `tail`; nothing for a publish without any.
void append_properties(std::string& tail, const broker::Publication& publication);

}  // namespace tg::app
