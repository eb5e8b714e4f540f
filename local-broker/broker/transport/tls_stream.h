// TLS of one connection: OpenSSL over a non-blocking socket that somebody else owns.
//
// What the socket holds is read at once into a buffer that all connections share, and given to
// OpenSSL from there: one system call for many records, and no buffer of its own for a connection
// that is idle.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "local-broker/broker/hooks.h"
#include "local-broker/broker/transport/io_result.h"
#include "local-broker/broker/transport/opening.h"
#include "local-broker/broker/transport/tls_context.h"

struct ssl_st;
struct bio_st;

namespace tg::broker {

class TlsStream {
 public:
  // `fd` must outlive the stream.
  TlsStream(const TlsContext& context, int fd);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // One step of the handshake: until it is done, or the peer must speak.
  [[nodiscard]] OpenState handshake(Scratch& scratch, OpenFault& fault);
  [[nodiscard]] IoResult receive(std::span<char> buffer, Scratch& scratch);
  // What was not taken must be offered again, at the same length or more.
  [[nodiscard]] IoResult send(std::string_view bytes);
  // Tells the peer that nothing more is coming.
  void end_output();

  // Received and not decrypted yet.
  [[nodiscard]] std::size_t held_bytes() const { return rest_.size(); }

  // After the handshake; null when the peer has shown none.
  [[nodiscard]] std::shared_ptr<const Certificate> certificate() const;
  [[nodiscard]] bool is_revoked(const TlsContext& context) const;

 private:
  friend struct TlsBio;
  IoState refill(Scratch& scratch);
  void keep_rest();

  const int fd_;
  std::string_view input_;  // what OpenSSL has not read yet; empty between calls
  std::string rest_;        // the same, from one call to the next
  bool drained_ = false;    // the socket held no more than was read
  bool ended_ = false;      // no more from the peer
  bool broken_ = false;     // not in order
  struct FreeSsl {
    void operator()(ssl_st* ssl) const;
  };
  std::unique_ptr<ssl_st, FreeSsl> ssl_;
};

}  // namespace tg::broker
