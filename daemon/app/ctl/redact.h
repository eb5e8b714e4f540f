// Takes secrets out of text that leaves the house (tidegatectl diag): PEM blocks of private keys,
// credentials inside URLs, and values behind names such as password, secret, token, authorization.
// The configuration comes without its secrets already; this is for logs and whatever else. Pure.
#pragma once

#include <string>
#include <string_view>

namespace tg::ctl {

[[nodiscard]] std::string redacted(std::string_view text);

}  // namespace tg::ctl
