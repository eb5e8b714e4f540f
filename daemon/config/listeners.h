// What must hold for the broker's listeners: nobody comes in unproven over a network unless the
// file says so in words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.h"
#include "daemon/config/tree.h"

namespace tg::config {

// Of HOST:PORT.
[[nodiscard]] bool is_address(const std::string& address);
// With an IP address for its HOST, [] around one of IPv6.
[[nodiscard]] bool is_numeric_address(const std::string& address);
[[nodiscard]] bool is_loopback(std::string_view address);

void check_listeners(const Config& config, const Value& tree, std::vector<Problem>& errors,
                     std::vector<Problem>& warnings);

// The place of a listener's key (`tls.crl`, `tls.names[0].name`), else of what is nearest to it.
[[nodiscard]] Place listener_place(const Value& tree, std::size_t index, std::string_view key);

}  // namespace tg::config
