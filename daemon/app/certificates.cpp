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

// Of an uplink's key; the section's when the key is not there.
config::Place place_of(const config::Value& tree, std::size_t uplink, std::string_view key) {
  const config::Value* section = tree.find("cloud");
  const config::Value* list = tree.find("uplinks");
  if (section != nullptr && uplink > 0) --uplink;
  if (section == nullptr || uplink > 0) section = &list->list.at(uplink);
  const config::Value* value = section->find(key);
  return value != nullptr ? value->place : section->place;
}

std::string path_of(const config::Cloud& uplink) {
  return uplink.name == "cloud" ? uplink.name : fmt::format("uplinks[{}]", uplink.name);
}

}  // namespace

std::string problem_at(const CertificateStatus& certificate, std::int64_t now_s) {
  constexpr std::int64_t kSoonS = 30 * 86'400;
  const std::int64_t end_s = certificate.not_after_s;
  if (end_s != 0 && end_s < now_s) return certificate.file + " has expired";
  if (!certificate.problem.empty() || end_s == 0 || end_s - now_s > kSoonS) {
    return certificate.problem;
  }
  return certificate.file + " expires within 30 days";
}

std::vector<CertificateStatus> certificates(const config::Config& config) {
  std::vector<CertificateStatus> all;
  for (const auto& listener : config.listeners) {
    if (!listener.tls) continue;
    all.push_back(status_of(fmt::format("broker.listeners[{}].tls.certificate", listener.name),
                            listener.tls->certificate, listener.tls->private_key));
  }
  for (const auto& uplink : config.uplinks) {
    if (uplink.certificate.empty()) continue;
    all.push_back(
        status_of(path_of(uplink) + ".certificate", uplink.certificate, uplink.private_key));
  }
  return all;
}

void check_uplink_files(config::LoadResult& loaded) {
  if (!loaded.config) return;
  for (std::size_t i = 0; i < loaded.config->uplinks.size(); ++i) {
    const auto& uplink = loaded.config->uplinks[i];
    if (uplink.certificate.empty()) continue;
    for (auto& problem :
         broker::TlsContext::check({uplink.certificate, uplink.private_key, "", ""})) {
      auto& list = problem.is_warning ? loaded.warnings : loaded.errors;
      list.push_back({place_of(loaded.tree, i, problem.key),
                      fmt::format("{}.{}", path_of(uplink), problem.key),
                      std::move(problem.message)});
    }
  }
  if (!loaded.errors.empty()) loaded.config.reset();
}

}  // namespace tg::app
