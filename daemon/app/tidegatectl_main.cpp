// tidegatectl: the operator's command. Speaks HTTP to the daemon's admin socket.
//
// Exit codes: 0 done; 1 the daemon answered with an error; 2 the command line is wrong; 3 the
// daemon cannot be reached.
#include <curl/curl.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/app/status_text.h"
#include "daemon/app/version.h"

namespace {

constexpr int kDaemonError = 1;
constexpr int kUsage = 2;
constexpr int kUnreachable = 3;

struct Answer {
  long status = 0;
  std::string body;
  std::string error;  // of the transport; empty = answered
};

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

Answer get(const std::string& socket, const std::string& path) {
  Answer answer;
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return {0, {}, "out of memory"};
  const std::string url = "http://tidegate" + path;
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 10'000L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) answer.error = curl_easy_strerror(code);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_easy_cleanup(curl);
  return answer;
}

int run_status(const std::string& socket, bool as_json) {
  const Answer answer = get(socket, "/api/v1/status");
  if (!answer.error.empty()) {
    fmt::print(stderr,
               "tidegatectl: the daemon does not answer on {}: {}. Is it running "
               "(systemctl status tidegate)? Another socket: --socket PATH\n",
               socket, answer.error);
    return kUnreachable;
  }
  const auto status = nlohmann::json::parse(answer.body, nullptr, false);
  if (answer.status != 200 || status.is_discarded()) {
    fmt::print(stderr, "tidegatectl: the daemon answered {}: {}\n", answer.status, answer.body);
    return kDaemonError;
  }
  fmt::print("{}\n", as_json ? status.dump(2) : tg::app::status_text(status));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Asks the Tidegate daemon, or tells it what to do"};
  std::string socket = "/run/tidegate/admin.sock";
  bool as_json = false;
  app.add_option("--socket", socket, "admin socket of the daemon (admin.socket)")
      ->capture_default_str();
  app.add_flag("--json", as_json, "answer in JSON");
  app.set_version_flag("--version", std::string("tidegatectl ") + tg::app::kVersion);
  app.require_subcommand(1);
  app.fallthrough();
  const auto* status = app.add_subcommand("status", "state of the gateway on one screen");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  if (status->parsed()) return run_status(socket, as_json);
  return kUsage;
}
