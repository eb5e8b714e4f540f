#include "daemon/cloud/diagnose.h"

#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "daemon/base/bytes.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cloud/resolve.h"

namespace tg::cloud {

namespace {

constexpr int kConnectWaitMs = 2000;
constexpr int kTunnelWaitMs = 2000;
constexpr int kHandshakeWaitMs = 2000;
// A server that refuses the client's certificate says so after the handshake of TLS 1.3.
constexpr int kAlertWaitMs = 500;

template <class T, void (*kFree)(T*)>
struct Free {
  void operator()(T* object) const { kFree(object); }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX, SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL, SSL_free>>;

// The oldest error of this thread: the later ones only pass it on.
std::string openssl_error() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the connection was closed";
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

// For several waits that belong together: a peer that sends byte by byte does not begin them anew.
class Countdown {
 public:
  explicit Countdown(int ms) : end_(Steady::now() + std::chrono::milliseconds(ms)) {}
  [[nodiscard]] int left_ms() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Steady::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
  }

 private:
  using Steady = std::chrono::steady_clock;
  const Steady::time_point end_;
};

bool wait_for(int fd, short events, const Countdown& countdown) {
  pollfd entry{fd, events, 0};
  return ::poll(&entry, 1, countdown.left_ms()) == 1;
}

// What the socket says, or empty and an open `socket`.
std::string connect_to(const std::string& address, std::uint16_t port, UniqueFd& socket) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return "not an address";
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  socket.reset(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.is_open()) return std::strerror(errno);
  if (::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0) return "";
  if (errno != EINPROGRESS) return std::strerror(errno);
  if (!wait_for(socket.get(), POLLOUT, Countdown(kConnectWaitMs))) return "no answer";
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error == 0 ? "" : std::strerror(error);
}

// The files of the options, or the one that cannot be used.
std::string load_files(SSL_CTX* context, const LinkOptions& options) {
  if (options.ca.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) {
    return options.ca + ": " + openssl_error();
  }
  if (options.certificate.empty()) return "";
  if (SSL_CTX_use_certificate_chain_file(context, options.certificate.c_str()) != 1) {
    return options.certificate + ": " + openssl_error();
  }
  if (SSL_CTX_use_PrivateKey_file(context, options.private_key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return options.private_key + ": " + openssl_error();
  }
  return "";
}

// Runs a TLS call until it is done, fails or the time is over (then 0 and want stays set).
template <class Call>
int run_tls(SSL* ssl, int fd, int timeout_ms, Call call) {
  const Countdown countdown(timeout_ms);
  while (true) {
    ERR_clear_error();
    const int rc = call();
    if (rc > 0) return rc;
    const int want = SSL_get_error(ssl, rc);
    if (want != SSL_ERROR_WANT_READ && want != SSL_ERROR_WANT_WRITE) return -1;
    if (!wait_for(fd, want == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, countdown)) return 0;
  }
}

// An alert of the peer that is about our certificate, not about the protocol.
bool is_about_certificate(const std::string& error) {
  return error.find("certificate") != std::string::npos ||
         error.find("unknown ca") != std::string::npos ||
         error.find("access denied") != std::string::npos;
}

DownCause cause_of(long verified) {
  switch (verified) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return DownCause::kExpired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return DownCause::kHostName;
    default:
      return DownCause::kCertificate;
  }
}

Down tls_failed(const char* what, const std::string& error) {
  DownCause cause = is_about_certificate(error) ? DownCause::kCertificate : DownCause::kOther;
  if (error.find("expired") != std::string::npos) cause = DownCause::kExpired;
  return {cause, what + error};
}

Down handshake(const LinkOptions& options, int fd) {
  const Context context(SSL_CTX_new(TLS_client_method()));
  if (std::string problem = load_files(context.get(), options); !problem.empty()) {
    return {DownCause::kCertificate, std::move(problem)};
  }
  const Session ssl(SSL_new(context.get()));
  const std::string& host = options.endpoint.host;
  X509_VERIFY_PARAM* verify = SSL_get0_param(ssl.get());
  if (X509_VERIFY_PARAM_set1_ip_asc(verify, host.c_str()) != 1) {
    SSL_set1_host(ssl.get(), host.c_str());
    SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  }
  SSL_set_verify(ssl.get(), SSL_VERIFY_PEER, nullptr);
  SSL_set_fd(ssl.get(), fd);
  const int rc = run_tls(ssl.get(), fd, kHandshakeWaitMs, [&] { return SSL_connect(ssl.get()); });
  if (rc == 0) return {DownCause::kUnreachable, "no answer to the TLS handshake"};
  const long verified = SSL_get_verify_result(ssl.get());
  if (rc < 0 && verified != X509_V_OK) {
    return {cause_of(verified), std::string("the server's certificate is refused: ") +
                                    X509_verify_cert_error_string(verified)};
  }
  if (rc < 0) return tls_failed("TLS handshake: ", openssl_error());
  char byte = 0;
  const auto read = [&] { return SSL_read(ssl.get(), &byte, 1); };
  if (run_tls(ssl.get(), fd, kAlertWaitMs, read) < 0) {
    return tls_failed("the server refused the TLS session: ", openssl_error());
  }
  return {};
}

// The first line of its answer; empty when there is none.
std::string ask_for_tunnel(int fd, const std::string& target, const std::string& credentials) {
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!credentials.empty()) {
    request += "Proxy-Authorization: Basic " + base64(credentials) + "\r\n";
  }
  request += "\r\n";
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return "";
  }
  constexpr std::size_t kLongestHead = 8192;
  constexpr std::size_t kLongestLine = 100;
  const Countdown countdown(kTunnelWaitMs);
  std::string answer;
  while (!answer.ends_with("\r\n\r\n")) {
    char byte = 0;  // one by one: what follows the head is the server's
    if (answer.size() >= kLongestHead || !wait_for(fd, POLLIN, countdown)) return "";
    if (::recv(fd, &byte, 1, 0) != 1) return "";
    answer += byte;
  }
  return answer.substr(0, std::min(answer.find("\r\n"), kLongestLine));
}

// An open `socket` to the endpoint, through the proxy; or what is in the way.
Down tunnel(const LinkOptions& options, UniqueFd& socket) {
  const auto proxy = parse_proxy(options.proxy);
  if (!proxy) return {DownCause::kOther, proxy.error().message};
  const std::string name = "the proxy " + authority(proxy->host, proxy->port) + ": ";
  const auto addresses = resolve(proxy->host);
  if (!addresses) return {DownCause::kResolver, name + addresses.error().message};
  const std::string problem = connect_to(addresses->front(), proxy->port, socket);
  if (!problem.empty()) return {DownCause::kUnreachable, name + problem};
  const std::string answer = ask_for_tunnel(
      socket.get(), authority(options.endpoint.host, options.endpoint.port), proxy->credentials);
  if (answer.empty()) return {DownCause::kUnreachable, name + "no answer to CONNECT"};
  const std::size_t status = answer.find(' ');
  if (status == std::string::npos || answer.compare(status, 2, " 2") != 0) {
    return {DownCause::kRefused, name + "answers CONNECT with " + answer};
  }
  return {};
}

}  // namespace

Down diagnose(const LinkOptions& options, const std::string& address) {
  UniqueFd socket;
  if (!options.proxy.empty()) {
    Down obstacle = tunnel(options, socket);
    if (!obstacle.reason.empty()) return obstacle;
  } else if (const auto problem = connect_to(address, options.endpoint.port, socket);
             !problem.empty()) {
    return {DownCause::kUnreachable, address + ": " + problem};
  }
  return options.endpoint.tls ? handshake(options, socket.get()) : Down{};
}

Down diagnose(const LinkOptions& options) {
  if (!options.proxy.empty()) return diagnose(options, "");
  const auto addresses = resolve(options.endpoint.host);
  if (!addresses) return {DownCause::kResolver, addresses.error().message};
  return diagnose(options, addresses->front());
}

}  // namespace tg::cloud
