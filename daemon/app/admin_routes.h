// The table of the admin API: method, path, who may, handler. Each part of the gateway adds its own
// lines (daemon/app/api); the server looks a request up here.
//
// A path is literal but for {name} segments, which take one segment each:
//   routes.add("GET", "/api/v1/streams/{stream}/records", Access::kRead, handler);
// HEAD is answered as GET without the body. A path that exists with another method answers 405.
//
// Thread: the loop's. A handler replies once, at once or later; a request whose reply is dropped is
// closed by the server's time limit. Pure but for the handlers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/result.h"

namespace tg::app {

// What a caller is allowed; each includes those before it. The Unix socket gives kChange.
enum class Access : std::uint8_t {
  kProbe,   // whether it runs: from anywhere without a token
  kOpen,    // the state of the gateway itself: also over loopback TCP without a token
  kRead,    // what devices send and who they are
  kChange,  // changes something
};

struct AdminRequest {
  std::string method;
  std::string path;  // as it was sent, without the query
  std::string body;
  std::string caller;                             // for the log: "uid 0", "token grafana"
  std::map<std::string, std::string> parameters;  // of the path and of the query, decoded

  // Empty when it is not there.
  [[nodiscard]] const std::string& parameter(const std::string& name) const;
  // `standard` when it is not there; nothing when it is no number from 0 to max.
  [[nodiscard]] Result<std::uint64_t> number(const std::string& name, std::uint64_t standard,
                                             std::uint64_t max) const;
};

struct AdminAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

[[nodiscard]] AdminAnswer json_answer(const nlohmann::ordered_json& document,
                                      unsigned status = 200);
// {"error": message}
[[nodiscard]] AdminAnswer error_answer(unsigned status, const std::string& message);
// The status follows the error's code.
[[nodiscard]] AdminAnswer error_answer(const Error& error);

using AdminReply = std::function<void(AdminAnswer)>;
using AdminHandler = std::function<void(const AdminRequest& request, AdminReply reply)>;

class AdminRoutes {
 public:
  struct Line {
    std::string method;
    std::string path;
    Access access = Access::kChange;
  };

  // Each method and path once (asserted).
  void add(std::string method, std::string path, Access access, AdminHandler handler);

  // target: path and query as they were sent. Every change is logged with its caller.
  void handle(AdminRequest request, std::string_view target, Access granted,
              AdminReply reply) const;

  // In the order in which they were added.
  [[nodiscard]] std::vector<Line> lines() const;

 private:
  struct Route {
    Line line;
    std::vector<std::string> segments;
    AdminHandler handler;
  };

  std::vector<Route> routes_;
};

}  // namespace tg::app
