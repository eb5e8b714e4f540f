// What stands between accept() and the first MQTT byte, and how it fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace tg::broker {

enum class OpenState : std::uint8_t {
  kOpen,     // MQTT can begin
  kBlocked,  // wait for the next edge
  kLater,    // this round has done enough of it: try again in the next
  kFailed,
};

// Counted by reason: tidegate_broker_opening_failed_total.
enum class OpenFault : std::uint8_t {
  kNone,
  kTimeout,      // not done within the time limit
  kPeerLeft,     // closed in the middle of it
  kProxyHeader,  // not a PROXY protocol header of version 2
  kNotWebSocket,
  kOrigin,      // of the page that a browser shows
  kNotTls,      // something else was spoken, HTTP or plain MQTT
  kTlsVersion,  // older than TLS 1.2
  kTlsCipher,   // nothing in common
  kNoCertificate,
  kUnknownCa,
  kExpired,  // or not valid yet
  kRevoked,
  kBadCertificate,
  kRefused,  // the peer did not like our certificate
  kTls,      // anything else of TLS
};
inline constexpr std::size_t kOpenFaultCount = 16;
[[nodiscard]] std::string_view fault_name(OpenFault fault);

// What the channels share within a round.
struct Scratch {
  std::vector<char> raw;    // bytes as they came from the socket, before they are decrypted
  int handshake_steps = 0;  // that may still be made in this round
};

}  // namespace tg::broker
