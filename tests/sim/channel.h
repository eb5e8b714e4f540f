// One connection to the gateway: TCP, or TLS over it. Never blocks.
//
// Thread: the fleet's. Certificates of a device are read at each connect: a fleet's names hold
// {device}, which is replaced.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"

using SSL = struct ssl_st;
using SSL_CTX = struct ssl_ctx_st;

namespace tg::sim {

struct TlsOptions {
  std::string ca;           // PEM; empty = plain TCP
  std::string certificate;  // PEM, of a device; empty = none
  std::string private_key;
};

// Shared by all connections of a program.
class TlsContext {
 public:
  static Result<TlsContext> make(const TlsOptions& options);

  [[nodiscard]] SSL_CTX* get() const { return context_.get(); }
  [[nodiscard]] const TlsOptions& options() const { return options_; }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const;
  };
  TlsOptions options_;
  std::unique_ptr<SSL_CTX, Free> context_;
};

class Channel {
 public:
  enum class Progress : std::uint8_t { kDone, kWait, kLost };

  // `tls` null = plain. False when it failed at once.
  bool open(const sockaddr_in& address, const TlsContext* tls, std::string_view device,
            int receive_buffer = 0);
  // Of TCP and TLS; to be called again when the socket is ready. kDone once, and ever after.
  Progress establish();
  // Bytes; 0 = none now; < 0 = the connection is lost.
  ssize_t receive(char* buffer, std::size_t size);
  ssize_t send(std::string_view bytes);
  // Decrypted bytes wait, which epoll does not know of.
  [[nodiscard]] bool has_pending() const;
  void close();
  // Without a word: the peer sees a reset.
  void abort();

  [[nodiscard]] int fd() const { return socket_.get(); }
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Free {
    void operator()(SSL* ssl) const;
  };
  bool start_tls(const sockaddr_in& address, const TlsContext& tls, std::string_view device);

  UniqueFd socket_;
  std::unique_ptr<SSL, Free> ssl_;
  bool is_connected_ = false;    // TCP
  bool is_established_ = false;  // TLS as well
  std::string trouble_;
};

}  // namespace tg::sim
