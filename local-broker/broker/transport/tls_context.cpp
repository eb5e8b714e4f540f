#include "local-broker/broker/transport/tls_context.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>
#include <utility>

#include "local-broker/broker/transport/certificate.h"
#include "local-broker/broker/transport/server_names.h"

namespace tg::broker {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using File = std::unique_ptr<BIO, Freed<BIO_free>>;
using Crl = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;

struct FreedCertificates {
  void operator()(STACK_OF(X509) * list) const { sk_X509_pop_free(list, X509_free); }
};
using Certificates = std::unique_ptr<STACK_OF(X509), FreedCertificates>;

constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kGroups = "X25519:P-256:P-384";
constexpr long kTicketLifeS = 3600;

std::string last_error() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason != nullptr ? reason : "not a PEM file of that kind";
}

// Nobody is there to be asked.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return -1; }

int on_verify(int ok, X509_STORE_CTX* context) {
  const int error = X509_STORE_CTX_get_error(context);
  if (ok == 0 && (error == X509_V_ERR_CRL_HAS_EXPIRED || error == X509_V_ERR_CRL_NOT_YET_VALID)) {
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
  }
  return ok;
}

}  // namespace

struct TlsContext::State {
  Context context;
  std::vector<Crl> lists;
};

namespace {

class Loader {
 public:
  explicit Loader(const TlsOptions& options) : options_(options) {}

  void run() {
    load_pair();
    if (!options_.client_ca.empty()) load_client_ca();
    if (!options_.crl.empty()) load_crl();
    if (!options_.names.empty()) load_names();
  }

  std::vector<TlsProblem> take_problems() { return std::move(problems_); }
  Context take_context() { return std::move(context_); }
  std::vector<Crl> take_lists() { return std::move(lists_); }

 private:
  void load_pair() {
    context_.reset(SSL_CTX_new(TLS_server_method()));
    set_protocol();
    load_certificate();
    load_key();
  }

  void load_names() {
    ServerNames names;
    for (std::size_t i = 0; i < options_.names.size(); ++i) {
      const TlsName& name = options_.names[i];
      const TlsOptions pair{name.certificate, name.private_key};
      Loader loader(pair);
      loader.load_pair();
      if (!name.name.empty()) loader.warn_of_name(name.name);
      for (auto& problem : loader.problems_) {
        problem.key = fmt::format("names[{}].{}", i, problem.key);
        problems_.push_back(std::move(problem));
      }
      names.emplace(name.name, loader.take_context());
    }
    choose_by_name(*context_, std::move(names));
  }

  void set_protocol() {
    SSL_CTX* context = context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, kCiphers);
    SSL_CTX_set1_groups_list(context, kGroups);
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(context, kTicketLifeS);
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    constexpr std::string_view kId = "tidegate";
    SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(kId.data()),
                                   static_cast<unsigned>(kId.size()));
    const bool mutual = !options_.client_ca.empty();
    SSL_CTX_set_num_tickets(context, mutual ? 0 : 1);
    if (mutual) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  }

  void load_certificate() {
    if (!can_open("certificate", options_.certificate)) return;
    if (SSL_CTX_use_certificate_chain_file(context_.get(), options_.certificate.c_str()) != 1) {
      add("certificate", fmt::format("{}: {}", options_.certificate, last_error()));
      return;
    }
    has_certificate_ = true;
    warn_of_end(*SSL_CTX_get0_certificate(context_.get()));
    warn_of_order();
  }

  // Each certificate of the file is to have issued the one before.
  void warn_of_order() {
    STACK_OF(X509)* chain = nullptr;
    SSL_CTX_get0_chain_certs(context_.get(), &chain);
    X509* subject = SSL_CTX_get0_certificate(context_.get());
    for (int i = 0; i < sk_X509_num(chain); subject = sk_X509_value(chain, i++)) {
      if (X509_check_issued(sk_X509_value(chain, i), subject) == X509_V_OK) continue;
      warn("certificate",
           fmt::format("{}: certificate {} of the file has not issued the one before it; peers may "
                       "not find the way to their authority",
                       options_.certificate, i + 2));
      return;
    }
  }

  void warn_of_name(const std::string& name) {
    X509* certificate = SSL_CTX_get0_certificate(context_.get());
    if (certificate == nullptr ||
        X509_check_host(certificate, name.data(), name.size(), 0, nullptr) == 1) {
      return;
    }
    warn("certificate", fmt::format("{} does not cover {}: clients that ask for that name and "
                                    "check it do not connect",
                                    options_.certificate, name));
  }

  void load_key() {
    if (options_.private_key.starts_with("pkcs11:")) {
      add("private_key", "keys in a token are not available yet");
      return;
    }
    if (!can_open("private_key", options_.private_key)) return;
    SSL_CTX* context = context_.get();
    if (SSL_CTX_use_PrivateKey_file(context, options_.private_key.c_str(), SSL_FILETYPE_PEM) == 1) {
      return;
    }
    const bool mismatch = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                          ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
    const std::string reason = last_error();
    add("private_key",
        has_certificate_ && mismatch
            ? fmt::format("{} is not the key of {}", options_.private_key, options_.certificate)
            : fmt::format("{}: {} (a key with a passphrase cannot be used)", options_.private_key,
                          reason));
  }

  void load_client_ca() {
    if (!can_open("client_ca", options_.client_ca)) return;
    const char* file = options_.client_ca.c_str();
    STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(file);
    if (names == nullptr || SSL_CTX_load_verify_file(context_.get(), file) != 1) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      add("client_ca", fmt::format("{}: {}", options_.client_ca, last_error()));
      return;
    }
    has_client_ca_ = true;
    SSL_CTX_set_client_CA_list(context_.get(), names);
    SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       on_verify);
    // An authority in the file is trusted, whoever signed it.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context_.get()), X509_V_FLAG_PARTIAL_CHAIN);
  }

  void load_crl() {
    if (options_.client_ca.empty()) {
      add("crl", "needs client_ca: without it nobody shows a certificate");
      return;
    }
    if (!can_open("crl", options_.crl)) return;
    const File file(BIO_new_file(options_.crl.c_str(), "r"));
    X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
    while (Crl list{PEM_read_bio_X509_CRL(file.get(), nullptr, no_passphrase, nullptr)}) {
      check_list(*list, *store);
      X509_STORE_add_crl(store, list.get());
      lists_.push_back(std::move(list));
    }
    if (lists_.empty()) add("crl", fmt::format("{}: {}", options_.crl, last_error()));
    ERR_clear_error();  // that the file has ended
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }

  void check_list(X509_CRL& list, X509_STORE& store) {
    const std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>> lookup(X509_STORE_CTX_new());
    X509_STORE_CTX_init(lookup.get(), &store, nullptr, nullptr);
    const Certificates issuers(X509_STORE_CTX_get1_certs(lookup.get(), X509_CRL_get_issuer(&list)));
    bool is_signed = false;
    for (int i = 0; i < sk_X509_num(issuers.get()); ++i) {
      X509* issuer = sk_X509_value(issuers.get(), i);
      is_signed = is_signed || X509_CRL_verify(&list, X509_get0_pubkey(issuer)) == 1;
    }
    ERR_clear_error();
    if (!is_signed && has_client_ca_) {
      add("crl", fmt::format("{}: a list that no authority in client_ca has signed", options_.crl));
    }
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(&list);
    if (next != nullptr && X509_cmp_current_time(next) < 0) {
      warn("crl",
           fmt::format("{} is overdue: who was revoked since is not known. It stays in force",
                       options_.crl));
    }
  }

  void warn_of_end(const X509& certificate) {
    const auto end = what_of_end(read_certificate(certificate)->not_after_s, std::time(nullptr));
    if (!end.empty()) warn("certificate", fmt::format("{} {}", options_.certificate, end));
  }

  bool can_open(std::string_view key, const std::string& path) {
    if (path.empty()) {
      add(key, "is missing");
      return false;
    }
    const File file(BIO_new_file(path.c_str(), "r"));
    if (file != nullptr) return true;
    const int error = errno;
    ERR_clear_error();
    add(key, fmt::format("{} cannot be read: {}", path, std::generic_category().message(error)));
    return false;
  }

  void add(std::string_view key, std::string message) {
    problems_.push_back({std::string(key), std::move(message)});
  }
  void warn(std::string_view key, std::string message) {
    problems_.push_back({std::string(key), std::move(message), true});
  }

  const TlsOptions& options_;
  Context context_;
  std::vector<Crl> lists_;
  std::vector<TlsProblem> problems_;
  bool has_certificate_ = false;
  bool has_client_ca_ = false;
};

}  // namespace

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsOptions& options) {
  Loader loader(options);
  loader.run();
  for (const auto& problem : loader.take_problems()) {
    if (problem.is_warning) continue;
    return fail(ErrorCode::kInvalid, fmt::format("tls.{}: {}", problem.key, problem.message));
  }
  auto state = std::make_unique<State>();
  state->context = loader.take_context();
  state->lists = loader.take_lists();
  return std::unique_ptr<TlsContext>(new TlsContext(std::move(state)));
}

std::vector<TlsProblem> TlsContext::check(const TlsOptions& options) {
  Loader loader(options);
  loader.run();
  return loader.take_problems();
}

TlsContext::TlsContext(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsContext::~TlsContext() = default;

ssl_ctx_st* TlsContext::native() const { return state_->context.get(); }

bool TlsContext::is_revoked(x509_st& certificate) const {
  const X509_NAME* issuer = X509_get_issuer_name(&certificate);
  return std::any_of(state_->lists.begin(), state_->lists.end(), [&](const Crl& list) {
    X509_REVOKED* entry = nullptr;
    return X509_NAME_cmp(X509_CRL_get_issuer(list.get()), issuer) == 0 &&
           X509_CRL_get0_by_cert(list.get(), &entry, &certificate) == 1;
  });
}

}  // namespace tg::broker
