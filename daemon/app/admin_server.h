// The admin interface: HTTP/1.1 on a Unix socket and, if configured, on a TCP address, over TLS if
// that is set; without it on loopback only.
// What it serves stands in the table of routes (admin_routes.h, docs/openapi.yaml).
//
// Access: who may open the Unix socket (mode 0660, group tidegate when there is one) may do all;
//   the caller's uid goes into the log. Over TCP a bearer token says what is allowed; without one
//   only what is Access::kOpen, and off loopback only what is Access::kProbe. A wrong token is
//   answered 401.
// Thread: the loop's. Limits: 32 connections at once on the socket and 32 over TCP (more are
//   closed), 10 s for the TLS handshake, 8 KiB of request head, 512 KiB of body, 10 s to send a
//   request, 60 s to answer it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "daemon/app/admin_routes.h"
#include "daemon/app/admin_tokens.h"
#include "daemon/base/result.h"
#include "daemon/config/config.h"
#include "local-broker/broker/transport/tls_context.h"

namespace tg::app {

using AdminTls = std::shared_ptr<const broker::TlsContext>;

[[nodiscard]] Result<AdminTls> load_admin_tls(const config::AdminTls& files);

class AdminServer {
 public:
  // routes outlive the server; lines may still be added until it listens.
  AdminServer(boost::asio::io_context& context, const AdminRoutes& routes);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Takes the place of a socket file that nobody listens on.
  Result<void> listen_unix(const std::string& path);
  // host:port; the port that was bound. Off loopback after set_tls() only.
  Result<std::uint16_t> listen_tcp(const std::string& address);
  void set_tokens(AdminTokens tokens);
  // Of the connections over TCP that come from now on.
  void set_tls(AdminTls tls);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace tg::app
