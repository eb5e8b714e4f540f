#include "daemon/app/certificates.h"

#include <fmt/format.h>

#include <utility>

#include "local-broker/broker/transport/certificate.h"
#include "local-broker/broker/transport/tls_context.h"

namespace tg::app {
namespace {

CertificateStatus status_of(std::string key, const std::string& file,
                            const std::string& private_key) {
  CertificateStatus status;
  status.key = std::move(key);
  status.file = file;
  if (const auto read = broker::load_certificate(file)) {
    status.subject = broker::identity_of(**read);
    status.not_after_s = (*read)->not_after_s;
  }
  const auto problems = broker::TlsContext::check({file, private_key, "", ""});
  if (!problems.empty()) status.problem = problems.front().message;
  return status;
}

std::string path_of(const config::Cloud& uplink) {
  return uplink.name == "cloud" ? uplink.name : fmt::format("uplinks[{}]", uplink.name);
}

}  // namespace

std::string problem_at(const CertificateStatus& certificate, std::int64_t now_s) {
  if (certificate.not_after_s == 0) return certificate.problem;
  const auto end = broker::what_of_end(certificate.not_after_s, now_s);
  const bool is_over = certificate.not_after_s < now_s;
  const bool is_told = is_over || (certificate.problem.empty() && !end.empty());
  return is_told ? fmt::format("{} {}", certificate.file, end) : certificate.problem;
}

std::vector<CertificateStatus> certificates(const config::Config& config) {
  std::vector<CertificateStatus> all;
  for (const auto& listener : config.listeners) {
    if (!listener.tls) continue;
    const std::string tls = fmt::format("broker.listeners[{}].tls", listener.name);
    all.push_back(
        status_of(tls + ".certificate", listener.tls->certificate, listener.tls->private_key));
    for (const auto& [name, certificate, private_key] : listener.tls->names) {
      all.push_back(
          status_of(fmt::format("{}.names[{}].certificate", tls, name), certificate, private_key));
    }
  }
  for (const auto& uplink : config.uplinks) {
    if (uplink.certificate.empty()) continue;
    all.push_back(
        status_of(path_of(uplink) + ".certificate", uplink.certificate, uplink.private_key));
  }
  if (config.admin_tls) {
    all.push_back(status_of("admin.tls.certificate", config.admin_tls->certificate,
                            config.admin_tls->private_key));
  }
  return all;
}

}  // namespace tg::app
