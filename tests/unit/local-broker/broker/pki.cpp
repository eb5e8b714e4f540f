#include "tests/unit/local-broker/broker/pki.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tg::broker::test {
namespace {

constexpr long kDay = 24 * 3600;

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Freed<X509_free>>;
using File = std::unique_ptr<BIO, Freed<BIO_free>>;

Key make_key(bool rsa) { return Key(rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")); }

void add_extension(X509& certificate, X509& issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  REQUIRE(extension != nullptr);
  X509_add_ext(&certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

Cert make_certificate(const std::string& name, EVP_PKEY& key, long serial, bool expired) {
  Cert certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -2 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), expired ? -kDay : 90 * kDay);
  X509_set_pubkey(certificate.get(), &key);
  if (!name.empty()) {
    X509_NAME_add_entry_by_NID(X509_get_subject_name(certificate.get()), NID_commonName,
                               MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
  }
  return certificate;
}

}  // namespace

struct Pki::Authority {
  Key key;
  Cert certificate;
};

Pki::Pki(const std::string& name) : authority_(std::make_unique<Authority>()) {
  std::string pattern = std::filesystem::temp_directory_path() / "tidegate-pki-XXXXXX";
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  authority_->key = make_key(false);
  authority_->certificate = make_certificate(name, *authority_->key, 1, false);
  X509& ca = *authority_->certificate;
  X509_set_issuer_name(&ca, X509_get_subject_name(&ca));
  add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign");
  REQUIRE(X509_sign(&ca, authority_->key.get(), EVP_sha256()) > 0);
  const File file(BIO_new_file(this->ca().c_str(), "w"));
  PEM_write_bio_X509(file.get(), &ca);
}

Pki::~Pki() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Issued Pki::issue(const IssueOptions& options) {
  const long serial = ++last_serial_;
  const Issued issued{path(std::to_string(serial) + ".crt"), path(std::to_string(serial) + ".key"),
                      serial};
  const Key key = make_key(options.rsa);
  const Cert certificate = make_certificate(options.common_name, *key, serial, options.expired);
  X509& ca = *authority_->certificate;
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(&ca));
  if (!options.alternatives.empty()) {
    add_extension(*certificate, ca, NID_subject_alt_name, options.alternatives);
  }
  REQUIRE(X509_sign(certificate.get(), authority_->key.get(), EVP_sha256()) > 0);
  const File out(BIO_new_file(issued.certificate.c_str(), "w"));
  PEM_write_bio_X509(out.get(), certificate.get());
  const File key_out(BIO_new_file(issued.key.c_str(), "w"));
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return issued;
}

std::string Pki::revoke(const std::vector<Issued>& revoked, bool overdue) {
  const std::unique_ptr<X509_CRL, Freed<X509_CRL_free>> list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(authority_->certificate.get()));
  ASN1_TIME* time = ASN1_TIME_new();
  X509_CRL_set1_lastUpdate(list.get(), X509_gmtime_adj(time, -2 * kDay));
  X509_CRL_set1_nextUpdate(list.get(), X509_gmtime_adj(time, overdue ? -kDay : kDay));
  for (const Issued& item : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_INTEGER* serial = ASN1_INTEGER_new();
    ASN1_INTEGER_set(serial, item.serial);
    X509_REVOKED_set_serialNumber(entry, serial);
    X509_REVOKED_set_revocationDate(entry, X509_gmtime_adj(time, -kDay));
    ASN1_INTEGER_free(serial);
    X509_CRL_add0_revoked(list.get(), entry);
  }
  ASN1_TIME_free(time);
  X509_CRL_sort(list.get());
  REQUIRE(X509_CRL_sign(list.get(), authority_->key.get(), EVP_sha256()) > 0);
  const File file(BIO_new_file(path("ca.crl").c_str(), "w"));
  PEM_write_bio_X509_CRL(file.get(), list.get());
  return path("ca.crl");
}

std::string Pki::write(const std::string& file, const std::string& text) const {
  std::ofstream(path(file)) << text;
  return path(file);
}

}  // namespace tg::broker::test
