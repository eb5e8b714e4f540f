#include "tests/sim/channel.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tg::sim {
namespace {

std::string ssl_error() {
  std::array<char, 256> text = {};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the peer closed the connection";
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

std::string for_device(std::string pattern, std::string_view device) {
  constexpr std::string_view kPlace = "{device}";
  for (std::size_t at = pattern.find(kPlace); at != std::string::npos; at = pattern.find(kPlace)) {
    pattern.replace(at, kPlace.size(), device);
  }
  return pattern;
}

}  // namespace

void TlsContext::Free::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
void Channel::Free::operator()(SSL* ssl) const { SSL_free(ssl); }

Result<TlsContext> TlsContext::make(const TlsOptions& options) {
  TlsContext tls;
  tls.options_ = options;
  tls.context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = tls.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_load_verify_locations(context, options.ca.c_str(), nullptr) != 1) {
    return fail(ErrorCode::kInvalid, fmt::format("{}: {}", options.ca, ssl_error()));
  }
  return tls;
}

bool Channel::open(const sockaddr_in& address, const TlsContext* tls, std::string_view device,
                   int receive_buffer) {
  close();
  trouble_.clear();
  socket_.reset(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket_.is_open()) return false;
  const int yes = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  if (receive_buffer > 0) {
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (::connect(socket_.get(), generic, sizeof address) != 0 && errno != EINPROGRESS) return false;
  return tls == nullptr || start_tls(address, *tls, device);
}

bool Channel::start_tls(const sockaddr_in& address, const TlsContext& tls,
                        std::string_view device) {
  ssl_.reset(SSL_new(tls.get()));
  SSL_set_fd(ssl_.get(), socket_.get());
  SSL_set_connect_state(ssl_.get());
  std::array<char, INET_ADDRSTRLEN> host = {};
  ::inet_ntop(AF_INET, &address.sin_addr, host.data(), host.size());
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.data());
  if (tls.options().certificate.empty()) return true;
  const std::string certificate = for_device(tls.options().certificate, device);
  const std::string key = for_device(tls.options().private_key, device);
  if (SSL_use_certificate_chain_file(ssl_.get(), certificate.c_str()) != 1 ||
      SSL_use_PrivateKey_file(ssl_.get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    trouble_ = fmt::format("{}, {}: {}", certificate, key, ssl_error());
    return false;
  }
  return true;
}

Channel::Progress Channel::establish() {
  if (is_established_) return Progress::kDone;
  if (!is_connected_) {
    pollfd writable = {socket_.get(), POLLOUT, 0};
    if (::poll(&writable, 1, 0) == 0) return Progress::kWait;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Progress::kLost;
    is_connected_ = true;
  }
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int done = SSL_do_handshake(ssl_.get());
    if (done != 1) {
      const int reason = SSL_get_error(ssl_.get(), done);
      if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return Progress::kWait;
      trouble_ = ssl_error();
      return Progress::kLost;
    }
  }
  is_established_ = true;
  return Progress::kDone;
}

ssize_t Channel::receive(char* buffer, std::size_t size) {
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
    if (got > 0) return got;
    const int reason = SSL_get_error(ssl_.get(), got);
    if (reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE) return 0;
    trouble_ = ssl_error();
    return -1;
  }
  const ssize_t got = ::recv(socket_.get(), buffer, size, 0);
  if (got > 0) return got;
  return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

ssize_t Channel::send(std::string_view bytes) {
  if (bytes.empty()) return 0;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    const int sent = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (sent > 0) return sent;
    const int reason = SSL_get_error(ssl_.get(), sent);
    return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
  }
  const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (sent >= 0) return sent;
  return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool Channel::has_pending() const { return ssl_ != nullptr && SSL_pending(ssl_.get()) > 0; }

void Channel::close() {
  ssl_.reset();
  socket_.reset();
  is_connected_ = false;
  is_established_ = false;
}

void Channel::abort() {
  const linger none = {1, 0};
  if (socket_.is_open()) ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  close();
}

}  // namespace tg::sim
