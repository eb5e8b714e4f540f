#include "local-broker/broker/transport/server_names.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <strings.h>

#include <cstddef>
#include <iterator>
#include <utility>

namespace tg::broker {
namespace {

void free_names(void* /*context*/, void* names, CRYPTO_EX_DATA* /*data*/, int /*index*/,
                long /*number*/, void* /*argument*/) {
  delete static_cast<ServerNames*>(names);
}

// Before the session is looked for, so that it is looked for among the name's own.
int on_client_hello(SSL* ssl, int* /*alert*/, void* argument) {
  const auto& names = *static_cast<const ServerNames*>(argument);
  const unsigned char* extension = nullptr;
  std::size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &size) != 1) {
    return SSL_CLIENT_HELLO_SUCCESS;
  }
  const auto found = find_name(names, std::string(requested_name({extension, size})));
  if (found == names.end()) return SSL_CLIENT_HELLO_SUCCESS;

  SSL_CTX* own = found->second.get();
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(own, &chain);
  SSL_certs_clear(ssl);  // one of another kind of key would stay beside it
  const std::string id = fmt::format("tidegate {}", std::distance(names.begin(), found));
  SSL_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>(id.data()),
                             static_cast<unsigned>(id.size()));
  return SSL_use_cert_and_key(ssl, SSL_CTX_get0_certificate(own), SSL_CTX_get0_privatekey(own),
                              chain, 1) == 1
             ? SSL_CLIENT_HELLO_SUCCESS
             : SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

bool IgnoreCase::operator()(const std::string& a, const std::string& b) const {
  return ::strcasecmp(a.c_str(), b.c_str()) < 0;
}

void choose_by_name(SSL_CTX& context, ServerNames names) {
  // A handshake that has begun holds its context beyond a reload; with it go the names.
  static const int kIndex = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_names);
  auto owned = std::make_unique<ServerNames>(std::move(names));
  SSL_CTX_set_ex_data(&context, kIndex, owned.get());
  SSL_CTX_set_client_hello_cb(&context, on_client_hello, owned.release());
}

std::string_view requested_name(std::span<const unsigned char> extension) {
  constexpr std::size_t kHead = 5;  // length of the list, kind of the name, length of the name
  if (extension.size() < kHead || extension[2] != TLSEXT_NAMETYPE_host_name) return {};
  const std::size_t length = extension[3] * 256U + extension[4];
  if (length > extension.size() - kHead) return {};
  return {reinterpret_cast<const char*>(extension.data() + kHead), length};
}

ServerNames::const_iterator find_name(const ServerNames& names, const std::string& host) {
  const auto exact = names.find(host);
  const auto dot = host.find('.');
  if (exact != names.end() || dot == 0 || dot == std::string::npos) return exact;
  return names.find("*" + host.substr(dot));
}

}  // namespace tg::broker
