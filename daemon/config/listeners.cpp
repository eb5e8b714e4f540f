#include "daemon/config/listeners.h"

#include <fmt/format.h>

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

namespace {

bool is_unix(std::string_view address) { return address.starts_with("unix:"); }

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
    const Value* value = nearest->find(key.substr(0, dot));
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
