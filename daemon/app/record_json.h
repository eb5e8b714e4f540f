// A stored record for people: JSON with the payload itself when it is JSON, else {"base64": …}.
// Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "daemon/store/store.h"

namespace tg::app {

// {"seq", "time" (ms), "clock", "publisher", "topic", "qos", "retain", "payload"}
[[nodiscard]] nlohmann::ordered_json record_json(const store::Record& record, store::Seq seq);

}  // namespace tg::app
