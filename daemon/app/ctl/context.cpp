#include "daemon/app/ctl/context.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <cstdio>
#include <nlohmann/json.hpp>

namespace tg::ctl {
namespace {

constexpr long kTimeoutMs = 65'000;  // the daemon's own limit is 60 s

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

// The daemon's {"error": …}, or the body itself.
std::string error_text(const Reply& reply) {
  const auto document = Json::parse(reply.body, nullptr, false);
  if (document.is_object() && document.contains("error") && document["error"].is_string()) {
    return document["error"].get<std::string>();
  }
  return reply.body;
}

}  // namespace

Reply Context::request(const char* method, const std::string& path, const std::string& body) const {
  Reply reply;
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return {0, {}, "out of memory"};
  const std::string url = "http://tidegate" + path;
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, kTimeoutMs);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
  curl_slist* headers = nullptr;
  if (std::string_view(method) != "GET") {
    headers = curl_slist_append(headers, "Content-Type: application/octet-stream");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) reply.error = curl_easy_strerror(code);
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply.status);
  curl_slist_free_all(headers);
  curl_easy_cleanup(curl);
  return reply;
}

std::optional<Json> Context::get(const std::string& path) { return call("GET", path); }

std::optional<Json> Context::call(const char* method, const std::string& path,
                                  const std::string& body) {
  return take(request(method, path, body));
}

std::optional<Json> Context::take(const Reply& reply) {
  if (!reply.error.empty()) {
    fail(kUnreachable, fmt::format("the daemon does not answer on {}: {}. Is it running (systemctl "
                                   "status tidegate)? Another socket: --socket PATH",
                                   socket, reply.error));
    return std::nullopt;
  }
  if (reply.status / 100 != 2) {
    if (as_json) fmt::print("{}", reply.body);
    fail(kRefused, error_text(reply));
    return std::nullopt;
  }
  auto document = Json::parse(reply.body, nullptr, false);
  if (document.is_discarded()) {
    fail(kRefused, fmt::format("the daemon's answer is not JSON: {}", reply.body));
    return std::nullopt;
  }
  return document;
}

void Context::print(const Json& document,
                    const std::function<std::string(const Json&)>& text) const {
  if (as_json) {
    fmt::print("{}\n", document.dump(2, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print("{}", text(document));
  }
}

void Context::fail(int code, std::string_view message) {
  fmt::print(stderr, "tidegatectl: {}\n", message);
  exit_code = code;
}

}  // namespace tg::ctl
