// The gateway's own certificates: those of the listeners, of the admin interface and those it
// shows to clouds. Opens files: not on the loop's thread once it runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/config/config.h"

namespace tg::app {

struct CertificateStatus {
  // broker.listeners[NAME].tls.certificate, ….tls.names[NAME].certificate, cloud.certificate,
  // uplinks[NAME].…, admin.tls.certificate
  std::string key;
  std::string file;
  std::string subject;           // its common name, else the first of its other names
  std::int64_t not_after_s = 0;  // since 1970; 0 = it cannot be read
  std::string problem;           // of it or its key; empty = none
};

// What is wrong with it by now: it may have expired since it was read. Empty = nothing.
[[nodiscard]] std::string problem_at(const CertificateStatus& certificate, std::int64_t now_s);

// Of listeners, uplinks, the admin interface.
[[nodiscard]] std::vector<CertificateStatus> certificates(const config::Config& config);

}  // namespace tg::app
