// What a certificate says, read from OpenSSL's form of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/base/result.h"
#include "local-broker/broker/hooks.h"

struct x509_st;

namespace tg::broker {

// Names that hold a NUL or are no UTF-8 are left out: nobody is to pass for another by them.
[[nodiscard]] std::shared_ptr<const Certificate> read_certificate(const x509_st& certificate);

// The first in a file of PEM.
[[nodiscard]] Result<std::shared_ptr<const Certificate>> load_certificate(const std::string& file);

// "has expired", "expires within 30 days", or nothing while the end is far.
[[nodiscard]] std::string_view what_of_end(std::int64_t not_after_s, std::int64_t now_s);

// The common name, else the first alternative name; empty when it names nobody.
[[nodiscard]] std::string identity_of(const Certificate& certificate);

}  // namespace tg::broker
