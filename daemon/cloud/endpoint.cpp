#include <charconv>
#include <string_view>

#include "daemon/cloud/link.h"

namespace tg::cloud {

namespace {

constexpr std::uint16_t kPlainPort = 1883;
constexpr std::uint16_t kTlsPort = 8883;
constexpr std::uint16_t kHttpsPort = 8443;  // with a client certificate at AWS IoT Core
constexpr std::size_t kLongestHost = 253;

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > kLongestHost) return false;
  for (const char c : host) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    if (!letter && !digit && c != '-' && c != '.' && c != '_') return false;
  }
  return true;
}

bool is_ipv6(std::string_view host) {
  constexpr std::string_view kAllowed = "0123456789abcdefABCDEF:.";
  return host.size() >= 2 && host.find(':') != std::string_view::npos &&
         host.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool parse_port(std::string_view text, std::uint16_t& port) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && stop == end && port != 0;
}

// What is wrong with it, or null. Without a port `port` stays.
const char* parse_authority(std::string_view text, std::string& host, std::uint16_t& port) {
  std::string_view name = text;
  std::string_view digits;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return "the bracket is not closed";
    name = text.substr(1, close - 1);
    text.remove_prefix(close + 1);
    has_port = !text.empty();
    if (has_port && text.front() != ':') return "a port must follow the address";
    if (has_port) digits = text.substr(1);
    if (!is_ipv6(name)) return "not an IPv6 address";
  } else {
    const std::size_t colon = text.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) digits = text.substr(colon + 1);
    name = text.substr(0, colon);
    if (!is_host(name)) return "not a host name";
  }
  if (has_port && !parse_port(digits, port)) return "the port must be 1 to 65535";
  host = name;
  return nullptr;
}

}  // namespace

std::string_view to_string(DownCause cause) {
  switch (cause) {
    case DownCause::kOther:
      return "other";
    case DownCause::kResolver:
      return "resolver";
    case DownCause::kUnreachable:
      return "unreachable";
    case DownCause::kCertificate:
      return "certificate";
    case DownCause::kExpired:
      return "expired";
    case DownCause::kHostName:
      return "host-name";
    case DownCause::kRefused:
      return "refused";
    case DownCause::kClosed:
      return "closed";
    case DownCause::kRejected:
      return "rejected";
    case DownCause::kServer:
      return "server";
  }
  return "";
}

std::string authority(const std::string& host, std::uint16_t port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

std::string Endpoint::url() const {
  return (https ? "https://" : tls ? "mqtts://" : "mqtt://") + authority(host, port);
}

Result<Endpoint> parse_endpoint(const std::string& url) {
  const auto invalid = [&url](const char* what) {
    return fail(ErrorCode::kInvalid, "endpoint \"" + url + "\": " + what);
  };
  Endpoint endpoint;
  std::string_view rest = url;
  if (starts_with(rest, "mqtts://")) {
    endpoint.tls = true;
    rest.remove_prefix(8);
  } else if (starts_with(rest, "mqtt://")) {
    rest.remove_prefix(7);
  } else if (starts_with(rest, "https://")) {
    endpoint.tls = endpoint.https = true;
    rest.remove_prefix(8);
  } else {
    return invalid("must begin with mqtt://, mqtts:// or https://");
  }
  endpoint.port = endpoint.https ? kHttpsPort : endpoint.tls ? kTlsPort : kPlainPort;
  if (const char* problem = parse_authority(rest, endpoint.host, endpoint.port)) {
    return invalid(problem);
  }
  return endpoint;
}

std::string Proxy::url() const {
  return "http://" + (credentials.empty() ? "" : credentials + '@') + authority(host, port);
}

Result<Proxy> parse_proxy(const std::string& url) {
  const auto invalid = [](const char* what) {  // not with the URL, which may hold a password
    return fail(ErrorCode::kInvalid, std::string("proxy: ") + what);
  };
  constexpr std::string_view kScheme = "http://";
  Proxy proxy;
  std::string_view rest = url;
  if (!starts_with(rest, kScheme)) return invalid("must begin with http://");
  rest.remove_prefix(kScheme.size());
  if (rest.find('/') != std::string_view::npos) return invalid("must not hold a slash");
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
    proxy.credentials = rest.substr(0, at);
    rest.remove_prefix(at + 1);
  }
  if (const char* problem = parse_authority(rest, proxy.host, proxy.port)) return invalid(problem);
  if (proxy.port == 0) return invalid("the port is missing");
  return proxy;
}

}  // namespace tg::cloud
