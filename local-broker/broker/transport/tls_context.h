// One listener's TLS: its certificates and keys, and whose certificates it takes. Read from files,
// whole or not at all. A connection keeps what it began with, so a reload drops nobody.
//
// TLS 1.2 with forward secrecy and AEAD, TLS 1.3; certificates with ECDSA or RSA keys. Sessions are
// resumed by ticket where no client certificate is asked for; with one a handshake is always whole,
// so that nobody who was revoked comes back by a ticket (and a ticket with a certificate in it
// costs more than it saves).
//
// A revocation list that is overdue stays in force for what it names: a gateway that is cut off
// does not lock its devices out. The check of the configuration and the log warn.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "daemon/base/result.h"
#include "local-broker/broker/transport/listener_options.h"

struct ssl_ctx_st;
struct x509_st;

namespace tg::broker {

struct TlsProblem {
  std::string key;  // of TlsOptions: crl, names[0].certificate
  std::string message;
  bool is_warning = false;
};

class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> load(const TlsOptions& options);
  // All that is wrong with the files, and what will be before long.
  [[nodiscard]] static std::vector<TlsProblem> check(const TlsOptions& options);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] ssl_ctx_st* native() const;
  // Whether its issuer's list names it.
  [[nodiscard]] bool is_revoked(x509_st& certificate) const;

 private:
  struct State;
  explicit TlsContext(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace tg::broker
