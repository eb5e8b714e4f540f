// Text as others want it escaped. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tg {

// A JSON string with its quotes; the text is UTF-8.
[[nodiscard]] std::string json_string(std::string_view text);

// As a part of a URL (RFC 3986): all but letters, digits and -_.~ as %XX.
[[nodiscard]] std::string percent_encoded(std::string_view text);

}  // namespace tg
