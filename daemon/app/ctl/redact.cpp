#include "daemon/app/ctl/redact.h"

#include <algorithm>
#include <cctype>

#include "daemon/config/effective.h"

namespace tg::ctl {
namespace {

constexpr std::string_view kHidden = "****";

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-';
}

// -----BEGIN … PRIVATE KEY----- to its END line.
std::string without_keys(std::string_view text) {
  std::string out;
  for (;;) {
    const auto begin = text.find("-----BEGIN ");
    const auto title = begin == std::string_view::npos ? begin : text.find("-----", begin + 11);
    if (title == std::string_view::npos) return out.append(text);
    const bool is_private =
        text.substr(begin, title - begin).find("PRIVATE KEY") != std::string_view::npos;
    out.append(text.substr(0, is_private ? begin : title + 5));
    text.remove_prefix(title + 5);
    if (!is_private) continue;
    const auto end = text.find("-----END ");
    const auto tail = end == std::string_view::npos ? end : text.find("-----", end + 9);
    out += "(a private key)";
    if (tail == std::string_view::npos) return out;  // cut short: the rest may be key
    text.remove_prefix(tail + 5);
  }
}

// The end of a value that begins at `at`: of its quotes, or of the word.
std::size_t value_end(std::string_view line, std::size_t at) {
  if (at < line.size() && (line[at] == '"' || line[at] == '\'')) {
    for (std::size_t i = at + 1; i < line.size(); ++i) {
      if (line[i] == '\\') {
        ++i;
      } else if (line[i] == line[at]) {
        return i + 1;
      }
    }
    return line.size();
  }
  const auto end = line.find_first_of(" ,;&}])\t", at);
  return end == std::string_view::npos ? line.size() : end;
}

// In lower case.
bool is_scheme(const std::string& word) { return word == "bearer" || word == "basic"; }

std::string lower(std::string_view word) {
  std::string out(word);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// NAME=VALUE, NAME: VALUE, "NAME": "VALUE", and `Bearer VALUE`, where NAME tells a secret.
std::string without_values(std::string_view line) {
  std::string out;
  std::size_t at = 0;
  while (at < line.size()) {
    if (!is_word(line[at])) {
      out += line[at++];
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && is_word(line[end])) ++end;
    const std::string_view word = line.substr(at, end - at);
    out += word;
    at = end;
    std::size_t value = at;
    if (value < line.size() && (line[value] == '"' || line[value] == '\'')) ++value;
    value = std::min(line.find_first_not_of(' ', value), line.size());
    const bool is_bearer = is_scheme(lower(word));
    const bool is_assigned = value < line.size() && (line[value] == '=' || line[value] == ':') &&
                             (config::is_secret_name(word) || lower(word) == "authorization");
    if (!is_bearer && !is_assigned) continue;
    value = line.find_first_not_of(" =:", value);
    if (value == std::string_view::npos) continue;
    const std::string_view rest = line.substr(value);
    if (is_scheme(lower(rest.substr(0, rest.find(' ')))) || rest.starts_with('{')) continue;
    out += line.substr(at, value - at);
    out += kHidden;
    at = value_end(line, value);
  }
  return out;
}

// scheme://USER:PASSWORD@host, as often as it stands there.
std::string without_credentials(std::string_view line) {
  std::string out;
  for (;;) {
    const auto scheme = line.find("://");
    if (scheme == std::string_view::npos) return out.append(line);
    const auto end = std::min(line.find_first_of(" \"'<>", scheme), line.size());
    out += config::without_credentials(line.substr(0, end));
    line.remove_prefix(end);
  }
}

}  // namespace

std::string redacted(std::string_view text) {
  const std::string without = without_keys(text);
  std::string out;
  std::string_view rest = without;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    out += without_credentials(without_values(rest.substr(0, end)));
    if (end == std::string_view::npos) break;
    out += '\n';
    rest.remove_prefix(end + 1);
  }
  return out;
}

}  // namespace tg::ctl
