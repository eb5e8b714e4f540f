// A record as one line of JSON:
//   {"seq":41,"time":1700000000123,"clock":"synced","client":"a","topic":"dt/a/t","qos":1,
//    "retain":false,"payload":"21.5"}
// A payload that is not UTF-8 is "base64" instead of "payload", so that every byte is kept. Pure.
#pragma once

#include <tidegate/plugin.h>

#include <string>
#include <string_view>

namespace archive {

// With the line's end.
void append_line(std::string& out, const tidegate_record& record);

// A plugin sees the SDK and nothing of the daemon: so its own.
[[nodiscard]] std::string base64(std::string_view bytes);

}  // namespace archive
