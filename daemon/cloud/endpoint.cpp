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

std::string Endpoint::url() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (https ? "https://"
          : tls ? "mqtts://"
                : "mqtt://") +
         (ipv6 ? '[' + host + ']' : host) + ':' + std::to_string(port);
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

  std::string_view host = rest;
  std::string_view port;
  bool has_port = false;
  if (!rest.empty() && rest.front() == '[') {
    const std::size_t close = rest.find(']');
    if (close == std::string_view::npos) return invalid("the bracket is not closed");
    host = rest.substr(1, close - 1);
    rest.remove_prefix(close + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return invalid("a port must follow the address");
    if (has_port) port = rest.substr(1);
    if (!is_ipv6(host)) return invalid("not an IPv6 address");
  } else {
    const std::size_t colon = rest.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) port = rest.substr(colon + 1);
    host = rest.substr(0, colon);
    if (!is_host(host)) return invalid("not a host name");
  }
  if (has_port && !parse_port(port, endpoint.port)) return invalid("the port must be 1 to 65535");
  endpoint.host = host;
  return endpoint;
}

}  // namespace tg::cloud
