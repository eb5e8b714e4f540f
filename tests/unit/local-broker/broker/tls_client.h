// The small MQTT client, over TLS.
#pragma once

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>

#include "tests/unit/local-broker/broker/pki.h"
#include "tests/unit/local-broker/broker/test_client.h"

namespace tg::broker::test {

struct TlsClientOptions {
  const Issued* certificate = nullptr;
  int max_version = 0;  // TLS1_1_VERSION and the like
  SSL_SESSION* resume = nullptr;
  const char* server_name = "gateway.example";  // null = none is asked for
};

class TlsClient : public Client {
 public:
  explicit TlsClient(Fixture& fixture, const TlsClientOptions& options = {}) : Client(fixture) {
    std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
    context_.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_security_level(context_.get(), 0);  // so that the client would take old versions
    SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_CLIENT);
    if (options.max_version != 0) {
      SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context_.get(), options.max_version);
    }
    if (options.certificate != nullptr) {
      SSL_CTX_use_certificate_file(context_.get(), options.certificate->certificate.c_str(),
                                   SSL_FILETYPE_PEM);
      SSL_CTX_use_PrivateKey_file(context_.get(), options.certificate->key.c_str(),
                                  SSL_FILETYPE_PEM);
    }
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), fd());
    if (options.server_name != nullptr) {
      SSL_set_tlsext_host_name(ssl_.get(), options.server_name);
    }
    if (options.resume != nullptr) SSL_set_session(ssl_.get(), options.resume);
    ::fcntl(fd(), F_SETFL, O_NONBLOCK);
  }

  // Whether the handshake came to its end, as this side sees it.
  bool shake_hands() {
    for (int i = 0; i < 20; ++i) {
      const int code = SSL_connect(ssl_.get());
      if (code == 1) return true;
      if (SSL_get_error(ssl_.get(), code) != SSL_ERROR_WANT_READ) break;
      run();
    }
    ERR_clear_error();
    return false;
  }
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }

 protected:
  ssize_t transmit(const char* data, std::size_t size) override {
    return SSL_write(ssl_.get(), data, static_cast<int>(size));
  }
  ssize_t fetch(char* data, std::size_t size) override {
    const int got = SSL_read(ssl_.get(), data, static_cast<int>(size));
    if (got > 0) return got;
    const bool waits = SSL_get_error(ssl_.get(), got) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    errno = EAGAIN;
    return waits ? -1 : 0;
  }

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace tg::broker::test
