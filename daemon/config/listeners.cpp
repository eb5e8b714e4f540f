#include "daemon/config/listeners.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <strings.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "daemon/config/units.h"

namespace tg::config {

bool is_loopback(std::string_view address) {
  return address.starts_with("127.") || address.starts_with("[::1]:") ||
         address.starts_with("localhost:");
}

bool is_address(const std::string& address) {
  const auto colon = address.rfind(':');
  const auto port =
      colon == std::string::npos ? std::nullopt : parse_integer(address.substr(colon + 1));
  return port && *port <= 65'535 && colon != 0;
}

bool is_numeric_address(const std::string& address) {
  if (!is_address(address)) return false;
  std::string host = address.substr(0, address.rfind(':'));
  in6_addr ip{};
  if (!host.starts_with('[')) return ::inet_pton(AF_INET, host.c_str(), &ip) == 1;
  if (!host.ends_with(']')) return false;
  host = host.substr(1, host.size() - 2);
  return ::inet_pton(AF_INET6, host.c_str(), &ip) == 1;
}

namespace {

constexpr std::size_t kMaxNames = 16;

bool is_unix(std::string_view address) { return address.starts_with("unix:"); }

// As clients send it: no address, no dot at the end (RFC 6066).
bool is_server_name(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789";
  constexpr std::string_view kCharacters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (name.starts_with("*.")) name.remove_prefix(2);
  const auto last_label = name.substr(name.rfind('.') + 1);
  return name.size() <= 253 && name.find_first_not_of(kCharacters) == std::string_view::npos &&
         !name.starts_with('.') && name.find("..") == std::string_view::npos &&
         last_label.find_first_not_of(kDigits) != std::string_view::npos;
}

// A key of a map, or an item of its list: `names[0]`.
const Value* find_step(const Value& value, std::string_view step) {
  const std::size_t bracket = step.find('[');
  const Value* found = value.find(step.substr(0, bracket));
  if (found == nullptr || bracket == std::string_view::npos) return found;
  const auto index = parse_integer(step.substr(bracket + 1, step.size() - bracket - 2));
  return index && *index < found->list.size() ? &found->list[*index] : found;
}

class Check {
 public:
  Check(const Value& tree, std::vector<Problem>& errors, std::vector<Problem>& warnings)
      : tree_(tree), errors_(errors), warnings_(warnings) {}

  void one(const Listener& listener, std::size_t index) {
    index_ = index;
    if (listener.address.empty()) return;  // missing: said already
    if (!is_unix(listener.address) ? !is_address(listener.address)
                                   : !listener.address.starts_with("unix:/")) {
      add("address", fmt::format("\"{}\" is not ADDRESS:PORT or unix:/PATH", listener.address));
      return;
    }
    if (listener.tls) check_tls(listener);
    check_insecure(listener);
    if (!listener.anonymous && !has_proof(listener) && !is_unix(listener.address)) {
      warnings_.push_back({listener_place(tree_, index, ""), path(""),
                           fmt::format("nobody can connect to listener {}: it has neither "
                                       "anonymous: true, nor users, nor tls.client_ca",
                                       listener.name)});
    }
  }

 private:
  static bool has_proof(const Listener& listener) {
    return (listener.tls && !listener.tls->client_ca.empty()) || !listener.users.empty();
  }

  void check_tls(const Listener& listener) {
    if (listener.tls->certificate.empty()) add("tls.certificate", "is missing");
    if (listener.tls->private_key.empty()) add("tls.private_key", "is missing");
    if (!listener.tls->crl.empty() && listener.tls->client_ca.empty()) {
      add("tls.crl", "needs client_ca: without it nobody shows a certificate");
    }
    check_names(listener.tls->names);
  }

  void check_names(const std::vector<TlsName>& names) {
    if (names.size() > kMaxNames) {
      add("tls.names", fmt::format("has {} names; at most {}", names.size(), kMaxNames));
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string& name = names[i].name;
      if (name.empty()) continue;  // missing: said already
      const std::string key = fmt::format("tls.names[{}].name", i);
      if (!is_server_name(name)) {
        add(key, fmt::format("\"{}\" is not a host name, nor *. and one", name));
      } else if (std::any_of(names.data(), &names[i], [&name](const TlsName& earlier) {
                   return ::strcasecmp(earlier.name.c_str(), name.c_str()) == 0;
                 })) {
        add(key, fmt::format("the name {} stands here twice", name));
      }
    }
  }

  void check_insecure(const Listener& listener) {
    if (is_unix(listener.address)) return;  // its group is the proof
    const Value* item = tree_.find("broker")->find("listeners");
    const Value* allowed = item->list[index_].find("allow_insecure");
    if (allowed != nullptr && allowed->scalar == "true") return;
    if (listener.tls) {
      if (has_proof(listener)) return;
      add("", fmt::format("listener {} has TLS, but asks for neither a client certificate "
                          "(tls.client_ca) nor a password (users): write allow_insecure: true if "
                          "that is meant",
                          listener.name));
    } else if (!is_loopback(listener.address)) {
      add("", fmt::format("listener {} takes {} without TLS on {}, which is not a loopback "
                          "address: write allow_insecure: true if that is meant",
                          listener.name, listener.anonymous ? "anonymous clients" : "passwords",
                          listener.address));
    }
  }

  [[nodiscard]] std::string path(std::string_view key) const {
    return fmt::format("broker.listeners[{}]{}{}", index_, key.empty() ? "" : ".", key);
  }

  void add(std::string_view key, std::string message) {
    errors_.push_back({listener_place(tree_, index_, key), path(key), std::move(message)});
  }

  const Value& tree_;
  std::vector<Problem>& errors_;
  std::vector<Problem>& warnings_;
  std::size_t index_ = 0;
};

}  // namespace

Place listener_place(const Value& tree, std::size_t index, std::string_view key) {
  const Value* broker = tree.find("broker");
  const Value* listeners = broker != nullptr ? broker->find("listeners") : nullptr;
  if (listeners == nullptr) return tree.place;
  if (index >= listeners->list.size()) return listeners->place;
  const Value* nearest = &listeners->list[index];
  while (!key.empty()) {
    const std::size_t dot = key.find('.');
    const Value* value = find_step(*nearest, key.substr(0, dot));
    if (value == nullptr) break;
    nearest = value;
    key = dot == std::string_view::npos ? std::string_view{} : key.substr(dot + 1);
  }
  return nearest->place;
}

void check_listeners(const Config& config, const Value& tree, std::vector<Problem>& errors,
                     std::vector<Problem>& warnings) {
  const Value* broker = tree.find("broker");
  if (broker == nullptr || broker->find("listeners") == nullptr) return;  // the default is right
  Check check(tree, errors, warnings);
  for (std::size_t i = 0; i < config.listeners.size(); ++i) check.one(config.listeners[i], i);
}

}  // namespace tg::config
