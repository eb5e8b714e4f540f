#include "local-broker/broker/transport/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <ctime>
#include <string_view>

#include "local-broker/mqtt/utf8.h"

namespace tg::broker {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using BigNumber = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

// Empty when it may not be taken for a name.
std::string name_text(const ASN1_STRING& value) {
  unsigned char* bytes = nullptr;
  const int length = ASN1_STRING_to_UTF8(&bytes, &value);
  if (length < 0) return {};
  std::string text(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  OPENSSL_free(bytes);
  return mqtt::is_valid_utf8(text) ? text : std::string();
}

std::string common_name(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return name_text(*X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string one_line(const X509_NAME* name) {
  const std::unique_ptr<BIO, Freed<BIO_free>> out(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(out.get(), name, 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned>(ASN1_STRFLGS_ESC_MSB));
  char* text = nullptr;
  const long length = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

std::string serial_text(const X509& certificate) {
  const BigNumber number(ASN1_INTEGER_to_BN(X509_get0_serialNumber(&certificate), nullptr));
  char* text = BN_bn2hex(number.get());
  std::string serial = text != nullptr ? text : "";
  OPENSSL_free(text);
  return serial;
}

std::string fingerprint(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  X509_digest(&certificate, EVP_sha256(), digest.data(), &length);
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

std::int64_t unix_seconds(const ASN1_TIME* time) {
  std::tm parts{};
  return ASN1_TIME_to_tm(time, &parts) == 1 ? ::timegm(&parts) : 0;
}

void read_alternatives(const X509& certificate, Certificate& out) {
  const Names names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::vector<std::string>* list = name->type == GEN_DNS     ? &out.dns_names
                                     : name->type == GEN_URI   ? &out.uris
                                     : name->type == GEN_EMAIL ? &out.emails
                                                               : nullptr;
    if (list == nullptr) continue;
    std::string text = name_text(*name->d.ia5);
    if (!text.empty()) list->push_back(std::move(text));
  }
}

}  // namespace

std::shared_ptr<const Certificate> read_certificate(const X509& certificate) {
  auto out = std::make_shared<Certificate>();
  out->common_name = common_name(certificate);
  read_alternatives(certificate, *out);
  out->fingerprint = fingerprint(certificate);
  out->issuer = one_line(X509_get_issuer_name(&certificate));
  out->serial = serial_text(certificate);
  out->not_after_s = unix_seconds(X509_get0_notAfter(&certificate));
  return out;
}

Result<std::shared_ptr<const Certificate>> load_certificate(const std::string& file) {
  const std::unique_ptr<BIO, Freed<BIO_free>> input(BIO_new_file(file.c_str(), "r"));
  const std::unique_ptr<X509, Freed<X509_free>> certificate(
      input != nullptr ? PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr) : nullptr);
  ERR_clear_error();
  if (certificate == nullptr) {
    return fail(ErrorCode::kInvalid, file + " holds no certificate that can be read");
  }
  return read_certificate(*certificate);
}

std::string_view what_of_end(std::int64_t not_after_s, std::int64_t now_s) {
  constexpr std::int64_t kSoonS = 30 * 86'400;
  if (not_after_s < now_s) return "has expired";
  return not_after_s - now_s < kSoonS ? "expires within 30 days" : "";
}

std::string identity_of(const Certificate& certificate) {
  if (!certificate.common_name.empty()) return certificate.common_name;
  for (const auto* names : {&certificate.dns_names, &certificate.uris, &certificate.emails}) {
    if (!names->empty()) return names->front();
  }
  return {};
}

}  // namespace tg::broker
