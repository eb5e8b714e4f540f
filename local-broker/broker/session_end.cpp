// What happens to a session when its client leaves, for a while or for good.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

std::size_t bytes_of(const std::vector<std::string>& names) {
  std::size_t bytes = 0;
  for (const auto& name : names) bytes += sizeof(std::string) + name.size();
  return bytes;
}

std::size_t bytes_of(const Certificate& certificate) {
  return sizeof(Certificate) + certificate.common_name.size() + bytes_of(certificate.dns_names) +
         bytes_of(certificate.uris) + bytes_of(certificate.emails) +
         certificate.fingerprint.size() + certificate.issuer.size() + certificate.serial.size();
}

}  // namespace

std::int64_t expiry_of(const Core& core, std::uint32_t seconds) {
  constexpr std::uint32_t kForEver = 0xFFFF'FFFF;
  const std::int64_t longest = core.options.session_expiry_ms;
  if (seconds == kForEver) return longest;
  return longest == Session::kNever ? std::int64_t{seconds} * 1000
                                    : std::min(std::int64_t{seconds} * 1000, longest);
}

std::size_t bytes_of(const ClientInfo& client) {
  const std::size_t bytes = client.client_id.size() + client.identity.size() +
                            client.username.size() + client.listener.size() + client.address.size();
  return client.certificate ? bytes + bytes_of(*client.certificate) : bytes;
}

void expire_after(Core& core, Session& session, std::int64_t away_ms) {
  if (session.expires_after_ms == Session::kNever) return;
  const std::int64_t left_ms = std::max<std::int64_t>(session.expires_after_ms - away_ms, 0);
  core.wheel.arm(session.expiry, core.now_ms + left_ms);
}

void leave_session(Core& core, Session& session) {
  session.connection = nullptr;
  session.acks.detach();
  if (session.is_transient()) {
    core.orphans.push_back(session.slot);  // not now: a delivery may be under way
    return;
  }
  keep_session(core, session);
  expire_after(core, session, 0);
}

void end_session(Core& core, Session& session) {
  // A delayed will waits no longer than its session lives [MQTT-3.1.3-9].
  if (session.will) core.wills.push_back({session.client, std::move(session.will->will)});
  pass_on(core, session);
  forget_session(core, session);
  core.queue_entries -= session.outbound.queued();
  core.client_bytes -= bytes_of(session.client);
  core.subscriptions.remove_all(session);
  core.sessions.erase(session);
}

void end_orphans(Core& core) {
  // Passing on may end other connections.
  for (const std::uint32_t slot : std::exchange(core.orphans, {})) {
    Session* session = core.sessions.at(slot);
    // Its slot may have a new session by now.
    if (session != nullptr && session->is_transient() && session->connection == nullptr) {
      end_session(core, *session);
    }
  }
}

void expire_session(Core& core, Session& session) {
  ++core.counts.expired;
  log::debug(kLog, "the session of {} has expired", session.client.client_id);
  end_session(core, session);
}

}  // namespace tg::broker
