// UTF-8 as MQTT wants it: well-formed (RFC 3629), no surrogates, no U+0000 [MQTT-1.5.3-1, -2].
#pragma once

#include <string_view>

namespace tg::mqtt {

[[nodiscard]] bool is_valid_utf8(std::string_view text);

}  // namespace tg::mqtt
