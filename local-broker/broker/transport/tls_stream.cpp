#include "local-broker/broker/transport/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/base/assert.h"
#include "local-broker/broker/transport/certificate.h"

namespace tg::broker {

// OpenSSL's view of a stream: reads what refill() has brought, writes to the socket.
struct TlsBio {
  static int read(BIO* bio, char* to, int size) {
    auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (stream.input_.empty()) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const auto count = std::min(static_cast<std::size_t>(size), stream.input_.size());
    std::memcpy(to, stream.input_.data(), count);
    stream.input_.remove_prefix(count);
    return static_cast<int>(count);
  }
  static int write(BIO* bio, const char* from, int size) {
    const auto& stream = *static_cast<TlsStream*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    ssize_t count = 0;
    do {
      count = ::send(stream.fd_, from, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    if (count < 0 && (errno == EAGAIN || errno == ENOBUFS)) BIO_set_retry_write(bio);
    return static_cast<int>(count);
  }
  static long control(BIO* /*bio*/, int command, long /*number*/, void* /*data*/) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }
  static BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
      BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tidegate");
      BIO_meth_set_read(fresh, read);
      BIO_meth_set_write(fresh, write);
      BIO_meth_set_ctrl(fresh, control);
      return fresh;
    }();
    return made;
  }
  static BIO* make(TlsStream& stream) {
    BIO* bio = BIO_new(method());
    TG_ASSERT(bio != nullptr);
    BIO_set_data(bio, &stream);
    BIO_set_init(bio, 1);
    return bio;
  }
};

namespace {

OpenFault fault_of_verify(long code) {
  switch (code) {
    case X509_V_ERR_CERT_REVOKED:
      return OpenFault::kRevoked;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return OpenFault::kExpired;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_UNABLE_TO_GET_CRL:
      return OpenFault::kUnknownCa;
    default:
      return OpenFault::kBadCertificate;
  }
}

OpenFault fault_of(const SSL& ssl) {
  const unsigned long code = ERR_peek_error();
  switch (ERR_GET_REASON(code)) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
      return fault_of_verify(SSL_get_verify_result(&ssl));
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
      return OpenFault::kNoCertificate;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return OpenFault::kTlsVersion;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST:
    case SSL_R_RECORD_LENGTH_MISMATCH:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
      return OpenFault::kNotTls;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
      return OpenFault::kTlsCipher;
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
      return OpenFault::kRefused;
    default:
      return OpenFault::kTls;
  }
}

}  // namespace

void TlsStream::FreeSsl::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsStream::TlsStream(const TlsContext& context, int fd) : fd_(fd), ssl_(SSL_new(context.native())) {
  TG_ASSERT(ssl_ != nullptr);
  BIO* bio = TlsBio::make(*this);
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::~TlsStream() = default;

IoState TlsStream::refill(Scratch& scratch) {
  if (!rest_.empty()) {
    input_ = rest_;
    drained_ = false;  // not known
    return IoState::kOk;
  }
  ssize_t count = 0;
  do {
    count = ::recv(fd_, scratch.raw.data(), scratch.raw.size(), 0);
  } while (count < 0 && errno == EINTR);
  if (count < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
    drained_ = true;
    return IoState::kBlocked;
  }
  if (count <= 0) return IoState::kClosed;
  input_ = {scratch.raw.data(), static_cast<std::size_t>(count)};
  drained_ = input_.size() < scratch.raw.size();
  return IoState::kOk;
}

void TlsStream::keep_rest() {
  if (input_.size() != rest_.size()) rest_ = std::string(input_);
  if (rest_.empty()) rest_.shrink_to_fit();
  input_ = {};
}

OpenState TlsStream::handshake(Scratch& scratch, OpenFault& fault) {
  for (;;) {
    const IoState state = refill(scratch);
    if (state == IoState::kClosed) {
      fault = OpenFault::kPeerLeft;
      return OpenState::kFailed;
    }
    // Blocked: what is to be sent may go on.
    if (state == IoState::kOk) --scratch.handshake_steps;
    ERR_clear_error();
    const int code = SSL_do_handshake(ssl_.get());
    const int error = code == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), code);
    keep_rest();
    if (error == SSL_ERROR_NONE) return OpenState::kOpen;
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
      const bool left = error == SSL_ERROR_SYSCALL;
      fault = left ? OpenFault::kPeerLeft : fault_of(*ssl_);
      broken_ = true;
      ERR_clear_error();
      return OpenState::kFailed;
    }
    if (error == SSL_ERROR_WANT_WRITE || drained_) return OpenState::kBlocked;
    if (scratch.handshake_steps <= 0) return OpenState::kLater;
  }
}

IoResult TlsStream::receive(std::span<char> buffer, Scratch& scratch) {
  if (ended_) return {IoState::kClosed, 0};
  const IoState state = refill(scratch);
  if (state == IoState::kClosed && SSL_pending(ssl_.get()) == 0) return {IoState::kClosed, 0};
  std::size_t got = 0;
  while (got < buffer.size()) {
    std::size_t count = 0;
    ERR_clear_error();
    if (SSL_read_ex(ssl_.get(), buffer.data() + got, buffer.size() - got, &count) == 1) {
      got += count;
      if (input_.empty() && SSL_pending(ssl_.get()) == 0) break;  // no more records
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    ended_ = error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
    broken_ = ended_ && error != SSL_ERROR_ZERO_RETURN;
    ERR_clear_error();
    break;
  }
  keep_rest();
  if (got == 0 && ended_) return {IoState::kClosed, 0};
  if (got == 0 && state == IoState::kBlocked) return {IoState::kBlocked, 0, true};
  const bool drained = drained_ && !ended_ && rest_.empty() && SSL_pending(ssl_.get()) == 0;
  return {IoState::kOk, got, drained};
}

IoResult TlsStream::send(std::string_view bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    std::size_t count = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), bytes.data() + sent, bytes.size() - sent, &count) == 1) {
      sent += count;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), 0);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_WRITE) break;
    ended_ = broken_ = true;
    return {IoState::kClosed, 0};
  }
  return {sent > 0 ? IoState::kOk : IoState::kBlocked, sent};
}

void TlsStream::end_output() {
  if (broken_ || SSL_in_init(ssl_.get()) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

std::shared_ptr<const Certificate> TlsStream::certificate() const {
  const X509* shown = SSL_get0_peer_certificate(ssl_.get());
  return shown != nullptr ? read_certificate(*shown) : nullptr;
}

bool TlsStream::is_revoked(const TlsContext& context) const {
  X509* shown = SSL_get0_peer_certificate(ssl_.get());
  return shown != nullptr && context.is_revoked(*shown);
}

}  // namespace tg::broker
