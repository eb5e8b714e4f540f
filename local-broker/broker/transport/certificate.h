// What a client's certificate says, read from OpenSSL's form of it.
#pragma once

#include <memory>
#include <string>

#include "local-broker/broker/hooks.h"

struct x509_st;

namespace tg::broker {

// Names that hold a NUL or are no UTF-8 are left out: nobody is to pass for another by them.
[[nodiscard]] std::shared_ptr<const Certificate> read_certificate(const x509_st& certificate);

// The common name, else the first alternative name; empty when it names nobody.
[[nodiscard]] std::string identity_of(const Certificate& certificate);

}  // namespace tg::broker
