#include "daemon/app/admin_routes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "daemon/base/assert.h"
#include "daemon/base/log.h"

namespace tg::app {
namespace {

const log::Component kLog{"admin"};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// %41 -> A; nothing when it is cut short or holds a NUL.
std::optional<std::string> percent_decoded(std::string_view text, bool is_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && is_query) c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0 || (high == 0 && low == 0)) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    out += c;
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

bool is_name(std::string_view segment) {
  return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path) {
  return std::equal(pattern.begin(), pattern.end(), path.begin(), path.end(),
                    [](const auto& want, const auto& have) {
                      return is_name(want) ? !have.empty() : want == have;
                    });
}

bool read_query(std::string_view query, std::map<std::string, std::string>& parameters) {
  if (query.empty()) return true;
  for (const auto& pair : split(query, '&')) {
    const std::size_t equals = pair.find('=');
    const auto name = percent_decoded(std::string_view(pair).substr(0, equals), true);
    const auto value =
        percent_decoded(equals == std::string::npos ? std::string_view()
                                                    : std::string_view(pair).substr(equals + 1),
                        true);
    if (!name || !value) return false;
    parameters[*name] = *value;
  }
  return true;
}

unsigned status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalid:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kBusy:
      return 409;
    case ErrorCode::kFull:
      return 507;
    case ErrorCode::kCancelled:
      return 503;
    case ErrorCode::kFailed:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
      return 500;
  }
  return 500;
}

}  // namespace

const std::string& AdminRequest::parameter(const std::string& name) const {
  static const std::string kNone;
  const auto found = parameters.find(name);
  return found == parameters.end() ? kNone : found->second;
}

Result<std::uint64_t> AdminRequest::number(const std::string& name, std::uint64_t standard,
                                           std::uint64_t max) const {
  const std::string& text = parameter(name);
  if (text.empty()) return standard;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value > max) {
    return fail(ErrorCode::kInvalid,
                fmt::format("{}: \"{}\" is not a number from 0 to {}", name, text, max));
  }
  return value;
}

AdminAnswer json_answer(const nlohmann::ordered_json& document, unsigned status) {
  using nlohmann::ordered_json;
  return {status, "application/json",
          document.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

AdminAnswer error_answer(unsigned status, const std::string& message) {
  return json_answer({{"error", message}}, status);
}

AdminAnswer error_answer(const Error& error) {
  return error_answer(status_of(error.code), error.message);
}

void AdminRoutes::add(std::string method, std::string path, Access access, AdminHandler handler) {
  for (const auto& route : routes_) {
    TG_ASSERT(route.line.method != method || route.line.path != path);
  }
  auto segments = split(path, '/');
  routes_.push_back(
      {{std::move(method), std::move(path), access}, std::move(segments), std::move(handler)});
}

void AdminRoutes::handle(AdminRequest request, std::string_view target, Access granted,
                         AdminReply reply) const {
  const std::size_t question = target.find('?');
  request.path = target.substr(0, question);
  const auto path = split(request.path, '/');
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  const Route* found = nullptr;
  bool path_exists = false;
  for (const auto& route : routes_) {
    if (!matches(route.segments, path)) continue;
    path_exists = true;
    if (route.line.method == method && found == nullptr) found = &route;
  }
  if (found == nullptr) {
    return reply(path_exists ? error_answer(405, "this path has no such method")
                             : error_answer(404, "there is no such path; GET /api/v1 lists all"));
  }
  if (found->line.access > granted) {
    return reply(granted == Access::kProbe
                     ? error_answer(401, "off loopback this needs a bearer token")
                     : error_answer(403, "this needs a bearer token with the right to it"));
  }
  bool sound = question == std::string_view::npos ||
               read_query(target.substr(question + 1), request.parameters);
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::string& name = found->segments[i];
    if (!is_name(name)) continue;
    const auto value = percent_decoded(path[i], false);
    sound = sound && value;
    if (value) request.parameters[name.substr(1, name.size() - 2)] = *value;
  }
  if (!sound) return reply(error_answer(400, "a % in the address is not followed by two digits"));
  if (found->line.access == Access::kChange) {
    log::info(kLog, "{}: {} {}", request.caller, request.method, request.path);
  }
  found->handler(request, std::move(reply));
}

std::vector<AdminRoutes::Line> AdminRoutes::lines() const {
  std::vector<Line> all;
  for (const auto& route : routes_) all.push_back(route.line);
  return all;
}

}  // namespace tg::app
