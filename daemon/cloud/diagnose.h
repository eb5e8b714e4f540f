// Why a connection failed. Paho 1.3 says only "TCP/TLS connect failure", and its error handler may
// not be used (the C++ wrapper 1.2 hands it a pointer that dangles by the time it is called). So
// after a failed attempt the way is walked once more, up to the first byte of MQTT, and the
// obstacle is named: the socket's error, the certificate's, the peer's alert, a file's.
//
// Thread: the cloud thread. Takes at most a few seconds.
#pragma once

#include <string>

#include "daemon/cloud/link.h"

namespace tg::cloud {

// The way to the endpoint by one of its addresses; with a proxy, through that one's tunnel instead.
// With an empty reason when nothing stands in the way (now).
[[nodiscard]] Down diagnose(const LinkOptions& options, const std::string& address);
// The same by the endpoint's name.
[[nodiscard]] Down diagnose(const LinkOptions& options);

}  // namespace tg::cloud
