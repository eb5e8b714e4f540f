#include "local-broker/broker/transport/web_handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "daemon/base/bytes.h"

namespace tg::broker {
namespace {

constexpr std::size_t kMaxRequest = 8 * 1024;
constexpr std::string_view kEnd = "\r\n\r\n";
constexpr std::string_view kKeySuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes what stands before the separator off the front.
std::string_view cut(std::string_view& text, std::string_view separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + separator.size());
  return part;
}

// The entry of a comma-separated list, as it stands there; empty when it is not in it.
std::string_view find_in_list(std::string_view list, std::string_view wanted) {
  while (!list.empty()) {
    const std::string_view item = trim(cut(list, ","));
    if (equal(item, wanted)) return item;
  }
  return {};
}

struct Request {
  std::string_view host;
  std::string_view upgrade;
  std::string_view connection;
  std::string_view key;
  std::string_view version;
  std::string_view origin;
  std::string protocols;  // may stand on several lines
  bool is_sound = true;
};

void take_field(Request& request, std::string_view name, std::string_view value) {
  struct Known {
    std::string_view name;
    std::string_view Request::*field;
  };
  constexpr std::array<Known, 6> kFields = {{{"Host", &Request::host},
                                             {"Upgrade", &Request::upgrade},
                                             {"Connection", &Request::connection},
                                             {"Sec-WebSocket-Key", &Request::key},
                                             {"Sec-WebSocket-Version", &Request::version},
                                             {"Origin", &Request::origin}}};
  if (equal(name, "Sec-WebSocket-Protocol")) {
    if (!request.protocols.empty()) request.protocols += ',';
    request.protocols += value;
    return;
  }
  for (const Known& known : kFields) {
    if (!equal(name, known.name)) continue;
    // Twice: two readers might understand two things.
    if (!(request.*known.field).empty()) request.is_sound = false;
    request.*known.field = value;
  }
}

Request read_request(std::string_view head) {
  Request request;
  const std::string_view line = cut(head, "\r\n");
  request.is_sound = line.starts_with("GET ") && line.ends_with(" HTTP/1.1");
  while (!head.empty()) {
    std::string_view field = cut(head, "\r\n");
    if (field.find(':') == std::string_view::npos) request.is_sound = false;
    const std::string_view name = cut(field, ":");
    take_field(request, name, trim(field));
  }
  return request;
}

std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(0, authority.find(']') + 1);
  return authority.substr(0, authority.find(':'));
}

bool may_come_from(const Request& request, const std::vector<std::string>& origins) {
  if (request.origin.empty()) return true;  // no browser
  if (!origins.empty()) {
    return std::any_of(origins.begin(), origins.end(), [&](const std::string& allowed) {
      return allowed == "*" || equal(allowed, request.origin);
    });
  }
  const std::size_t scheme = request.origin.find("://");
  if (scheme == std::string_view::npos) return false;  // "null" and the like
  return equal(host_of(request.origin.substr(scheme + 3)), host_of(request.host));
}

std::string accept_key(std::string_view key) {
  const std::string text = fmt::format("{}{}", key, kKeySuffix);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  return base64({reinterpret_cast<const char*>(digest.data()), length});
}

WebAnswer refuse(OpenFault fault, std::string_view status, std::string_view why,
                 std::string_view fields = "") {
  WebAnswer answer{OpenState::kFailed, fault, 0, {}};
  answer.response = fmt::format(
      "HTTP/1.1 {}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n"
      "Content-Length: {}\r\n{}\r\n{}\n",
      status, why.size() + 1, fields, why);
  return answer;
}

}  // namespace

WebAnswer answer_web_request(std::string_view received, const std::vector<std::string>& origins) {
  constexpr std::string_view kMethod = "GET ";
  const std::string_view start = received.substr(0, kMethod.size());
  if (start != kMethod.substr(0, start.size())) {
    return refuse(OpenFault::kNotWebSocket, "400 Bad Request", "This port speaks WebSocket only.");
  }
  const std::size_t end = received.substr(0, kMaxRequest).find(kEnd);
  if (end == std::string_view::npos) {
    if (received.size() < kMaxRequest) return {};
    return refuse(OpenFault::kNotWebSocket, "431 Request Header Fields Too Large",
                  "The request is too long.");
  }
  const Request request = read_request(received.substr(0, end));
  if (!request.is_sound || request.host.empty()) {
    return refuse(OpenFault::kNotWebSocket, "400 Bad Request", "The request is malformed.");
  }
  if (find_in_list(request.upgrade, "websocket").empty() ||
      find_in_list(request.connection, "upgrade").empty()) {
    return refuse(OpenFault::kNotWebSocket, "426 Upgrade Required", "This is MQTT over WebSocket.",
                  "Upgrade: websocket\r\n");
  }
  if (request.version != "13") {
    return refuse(OpenFault::kNotWebSocket, "426 Upgrade Required", "WebSocket version 13 only.",
                  "Sec-WebSocket-Version: 13\r\n");
  }
  constexpr std::size_t kKeySize = 24;
  if (request.key.size() != kKeySize) {
    return refuse(OpenFault::kNotWebSocket, "400 Bad Request", "Sec-WebSocket-Key is malformed.");
  }
  std::string_view protocol = find_in_list(request.protocols, "mqtt");
  if (protocol.empty()) protocol = find_in_list(request.protocols, "mqttv3.1");
  if (protocol.empty()) {
    return refuse(OpenFault::kNotWebSocket, "400 Bad Request", "The sub-protocol must be mqtt.");
  }
  if (!may_come_from(request, origins)) {
    return refuse(OpenFault::kOrigin, "403 Forbidden",
                  "Pages of this origin may not connect here.");
  }
  WebAnswer answer{OpenState::kOpen, OpenFault::kNone, end + kEnd.size(), {}};
  answer.response = fmt::format(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
      accept_key(request.key), protocol);
  return answer;
}

}  // namespace tg::broker
