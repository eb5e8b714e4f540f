// What every command of tidegatectl shares: the options before it, the way to the daemon, the way
// to print, the exit code.
//
// Exit codes, stable: 0 done; 1 the daemon answered with an error, or what was checked is not
// right; 2 the command line is wrong; 3 the daemon cannot be reached.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace tg::ctl {

inline constexpr int kDone = 0;
inline constexpr int kRefused = 1;
inline constexpr int kUsage = 2;
inline constexpr int kUnreachable = 3;

using Json = nlohmann::ordered_json;

struct Reply {
  long status = 0;
  std::string body;
  std::string error;  // of the transport; empty = answered
};

class Context {
 public:
  // The options before the command; CLI11 writes them.
  std::string socket = "/run/tidegate/admin.sock";
  bool as_json = false;
  // What main returns.
  int exit_code = kDone;

  // One request to the daemon.
  [[nodiscard]] Reply request(const char* method, const std::string& path,
                              const std::string& body = {}) const;

  // The answer of the daemon as JSON; nothing when it could not be reached or refused: that has
  // been said on stderr, and exit_code is set.
  [[nodiscard]] std::optional<Json> get(const std::string& path);
  [[nodiscard]] std::optional<Json> call(const char* method, const std::string& path,
                                         const std::string& body = {});

  // The same for a request that has been made.
  [[nodiscard]] std::optional<Json> take(const Reply& reply);

  // The document itself with --json, else what `text` makes of it.
  void print(const Json& document, const std::function<std::string(const Json&)>& text) const;
  // To stderr, as "tidegatectl: message"; sets the exit code.
  void fail(int code, std::string_view message);
};

}  // namespace tg::ctl
