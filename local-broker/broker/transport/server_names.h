// Certificates by server name: which one a client gets that asks for a name (SNI, RFC 6066).
//
// With the name change certificate, chain and key, and nothing else: who may come in, versions and
// suites are those of the listener's context for all names. A session is resumed by the name's
// certificate that it began with, or not at all.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

struct ssl_ctx_st;

namespace tg::broker {

struct IgnoreCase {
  bool operator()(const std::string& a, const std::string& b) const;
};

// "gw.example", or "*.example" for any one label before .example; a context holds the certificate.
using ServerNames = std::map<std::string, std::shared_ptr<ssl_ctx_st>, IgnoreCase>;

// Handshakes of `context` get the certificate of the name they ask for, and that of the context if
// it is none of them. The names belong to the context then.
void choose_by_name(ssl_ctx_st& context, ServerNames names);

// The name in a ClientHello's extension; empty when there is none. What else may be wrong with it
// is OpenSSL's to refuse.
[[nodiscard]] std::string_view requested_name(std::span<const unsigned char> extension);

// By its own name, else by one with "*." for its first label.
[[nodiscard]] ServerNames::const_iterator find_name(const ServerNames& names,
                                                    const std::string& host);

}  // namespace tg::broker
