#include "local-broker/broker/transport/opening.h"

namespace tg::broker {

std::string_view fault_name(OpenFault fault) {
  switch (fault) {
    case OpenFault::kNone:
      return "none";
    case OpenFault::kTimeout:
      return "timeout";
    case OpenFault::kPeerLeft:
      return "peer_left";
    case OpenFault::kProxyHeader:
      return "proxy_header";
    case OpenFault::kNotWebSocket:
      return "not_websocket";
    case OpenFault::kOrigin:
      return "origin";
    case OpenFault::kNotTls:
      return "not_tls";
    case OpenFault::kTlsVersion:
      return "tls_version";
    case OpenFault::kTlsCipher:
      return "tls_cipher";
    case OpenFault::kNoCertificate:
      return "no_certificate";
    case OpenFault::kUnknownCa:
      return "unknown_ca";
    case OpenFault::kExpired:
      return "certificate_expired";
    case OpenFault::kRevoked:
      return "certificate_revoked";
    case OpenFault::kBadCertificate:
      return "bad_certificate";
    case OpenFault::kRefused:
      return "refused_by_peer";
    case OpenFault::kTls:
      return "tls";
  }
  return "?";
}

}  // namespace tg::broker
