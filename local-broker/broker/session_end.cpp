// What happens to a session when its client leaves, for a while or for good.
#include "local-broker/broker/core.h"

namespace tg::broker {

void leave_session(Core& core, Session& session) {
  session.connection = nullptr;
  session.acks.detach();
  if (session.clean) {
    core.orphans.push_back(session.slot);  // not now: a delivery may be under way
  } else {
    core.wheel.arm(session.expiry, core.now_ms + core.options.session_expiry_ms);
  }
}

void end_session(Core& core, Session& session) {
  core.queued_bytes -= session.outbound.queued_bytes();
  core.subscriptions.remove_all(session);
  core.sessions.erase(session);
}

void end_orphans(Core& core) {
  for (const std::uint32_t slot : core.orphans) {
    Session* session = core.sessions.at(slot);
    // Its slot may have a new session by now.
    if (session != nullptr && session->clean && session->connection == nullptr) {
      end_session(core, *session);
    }
  }
  core.orphans.clear();
}

void expire_session(Core& core, Session& session) {
  ++core.counts.expired;
  log::debug(kLog, "the session of {} has expired", session.client.client_id);
  end_session(core, session);
}

}  // namespace tg::broker
