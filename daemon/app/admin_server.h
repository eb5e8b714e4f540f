// The admin interface: HTTP/1.1 on a Unix socket and, if configured, on a TCP address.
//
//   GET /healthz          200 "ok" while the loop runs
//   GET /readyz           200 "ready" | 503 with the reason: broker listening, store open
//   GET /metrics          Prometheus text format
//   GET /api/v1/status    JSON, see docs/operations.md
//   other path            404 {"error": "…"}; other method 405
//
// Thread: the loop's. Limits: 32 connections at once (more are closed), 8 KiB of request head, no
// body, 10 s per request. Access: the socket's mode (0660) and group; the TCP address is loopback
// only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "daemon/base/result.h"

namespace tg::app {

struct AdminAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class AdminServer {
 public:
  // Answers a GET of a path; nothing for a path that does not exist.
  using Handler = std::function<AdminAnswer(std::string_view path)>;

  AdminServer(boost::asio::io_context& context, Handler handler);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Takes the place of a socket file that nobody listens on.
  Result<void> listen_unix(const std::string& path);
  // host:port; the port that was bound.
  Result<std::uint16_t> listen_tcp(const std::string& address);

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace tg::app
