// What one listener is: where it listens, what is spoken there, and who may come in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace tg::broker {

// The certificate for clients that ask for a server name (SNI). Names of PEM files.
struct TlsName {
  std::string name = {};  // a host's; "*." before it stands for one label. In any case
  std::string certificate = {};
  std::string private_key = {};

  bool operator==(const TlsName&) const = default;
};

// Names of PEM files.
struct TlsOptions {
  std::string certificate = {};  // the server's, with its chain
  std::string private_key = {};
  std::string client_ca = {};       // given = client certificates are required
  std::string crl = {};             // certificates that are no longer taken; needs client_ca
  std::vector<TlsName> names = {};  // who asks for none of them gets `certificate`

  bool operator==(const TlsOptions&) const = default;
};

struct ListenerOptions {
  std::string name = {};
  std::string address = {};  // "127.0.0.1:1883", "[::1]:1883", "unix:/run/x"; port 0 = any free one
  bool anonymous = true;     // clients need no identity
  bool trusted = false;      // its anonymous clients may do what needs one
  std::string users = {};    // file of users; given = a name that is given must be proved
  std::optional<TlsOptions> tls = {};
  bool proxy_protocol = false;            // each connection begins with a PROXY header, version 2
  bool web_socket = false;                // MQTT in WebSocket frames
  std::vector<std::string> origins = {};  // that pages may have; empty = the same host
  std::size_t max_connections = 0;  // at once on this listener; 0 = BrokerOptions' is the limit

  bool operator==(const ListenerOptions&) const = default;
};

}  // namespace tg::broker
