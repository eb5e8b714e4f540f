// What the session store held becomes sessions, queues and the retained set again, within today's
// limits. What refers to nothing, or does not fit any more, is erased there. All of it counts
// towards total_memory, which takes no session or subscription away: messages give way to them.
#include <algorithm>
#include <utility>
#include <vector>

#include "local-broker/broker/core.h"

namespace tg::broker {
namespace {

// By ascending id, as they come.
template <class Value>
class ById {
 public:
  void add(StoredId id, Value value) { entries_.emplace_back(id, std::move(value)); }
  // Null when there is none.
  [[nodiscard]] Value* find(StoredId id) {
    const auto at =
        std::lower_bound(entries_.begin(), entries_.end(), id,
                         [](const auto& entry, StoredId key) { return entry.first < key; });
    return at != entries_.end() && at->first == id ? &at->second : nullptr;
  }
  [[nodiscard]] auto begin() { return entries_.begin(); }
  [[nodiscard]] auto end() { return entries_.end(); }

 private:
  std::vector<std::pair<StoredId, Value>> entries_;
};

class Restoring final : public SessionStore::Visitor {
 public:
  explicit Restoring(Core& core) : core_(core) {}

  void on_last_ids(StoredId session, StoredId message, StoredId copy) override {
    core_.last_stored_session = session;
    core_.last_stored_message = message;
    core_.last_stored_copy = copy;
  }

  void on_session(const StoredSession& row) override {
    core_.last_stored_session = std::max(core_.last_stored_session, row.id);
    if (row.client_id.empty() || core_.sessions.size() >= Sessions::kMax ||
        core_.sessions.find(row.client_id) != nullptr) {
      core_.store.erase_session(row.id);
      return;
    }
    Session& session = core_.sessions.create(std::string(row.client_id));
    session.stored = row.id;
    session.client.identity = row.identity;
    session.client.protocol = row.protocol;
    core_.client_bytes += bytes_of(session.client);
    session.expires_after_ms = expiry_within(row.expires_after_ms);
    sessions_.add(row.id, &session);
    if (!row.is_away) {
      // It was connected when the broker ended without a word: away from now on.
      leave_session(core_, session);
    } else {
      expire_after(core_, session, row.away_ms);
    }
  }

  void on_subscription(StoredId id, const mqtt::FilterRequest& request,
                       std::uint32_t subscription_id) override {
    Session** session = sessions_.find(id);
    if (session == nullptr || !mqtt::is_valid_topic_filter(request.filter) ||
        core_.subscriptions.add(**session, request, subscription_id,
                                core_.options.max_subscriptions) ==
            Subscriptions::Outcome::kLimit) {
      core_.store.erase_subscription(id, request);
    }
  }

  void on_held(StoredId id, std::uint16_t packet_id) override {
    Session** session = sessions_.find(id);
    if (session != nullptr && packet_id != 0) {
      (*session)->acks.hold_id(packet_id);
    } else {
      core_.store.release(id, packet_id);
    }
  }

  void on_message(StoredId id, const MessageFields& fields) override {
    core_.last_stored_message = std::max(core_.last_stored_message, id);
    if (!mqtt::is_valid_topic_name(fields.topic)) return core_.store.erase_message(id);
    MessageRef message = MessageRef::make(fields);
    message->stored() = {id, 1, false};  // ours, until finish(): copies may follow
    messages_.add(id, std::move(message));
  }

  void on_retained(StoredId id) override {
    MessageRef* found = messages_.find(id);
    if (found == nullptr) return core_.store.set_retained(id, false);
    const MessageRef& message = refer(*found);
    message->stored().is_retained = true;
    const Message* older = core_.retained.find(message->topic());
    if (older != nullptr) drop_retained(core_, *older);
    if (!has_room_for_message(core_) || !core_.retained.set(message->topic(), message)) {
      drop_retained(core_, *message);
    }
  }

  void on_copy(const StoredCopy& row) override {
    core_.last_stored_copy = std::max(core_.last_stored_copy, row.id);
    Session** session = sessions_.find(row.session);
    MessageRef* message = messages_.find(row.message);
    const auto await = static_cast<Await>(row.step);
    const bool is_release = await == Await::kPubcomp && row.packet_id != 0;
    const bool is_sound = row.qos > 0 && row.qos <= 2 && await < Await::kNothing;
    if (session == nullptr || !is_sound || (message == nullptr && !is_release)) {
      core_.store.erase_copy(row.id);
      return;
    }
    InFlight record;
    if (message != nullptr) record.message = refer(*message);
    record.subscription_id = row.subscription_id;
    record.qos = row.qos;
    record.retain = row.retain;
    record.stored = row.id;
    record.packet_id = row.packet_id;
    record.await = await;
    record.sent = true;  // as far as anyone can tell
    take(**session, std::move(record));
  }

  // What nobody refers to goes.
  void finish() {
    for (const auto& [id, message] : messages_) {
      if (--message->stored().references == 0) core_.store.erase_message(id);
    }
  }

 private:
  // Only what is referred to counts: else what goes back to nobody would take others' room.
  const MessageRef& refer(MessageRef& message) {
    message.count_in(core_.messages);
    ++message->stored().references;
    return message;
  }

  [[nodiscard]] std::int64_t expiry_within(std::int64_t ms) const {
    const std::int64_t longest = core_.options.session_expiry_ms;
    if (longest == Session::kNever) return ms;
    return ms == Session::kNever ? longest : std::min(ms, longest);
  }

  void take(Session& session, InFlight record) {
    Copy copy = record;
    if (session.outbound.restore(std::move(record))) return;
    if (copy.message) {
      enqueue(core_, session, std::move(copy));
    } else {
      drop_copy(core_, copy);
    }
  }

  Core& core_;
  ById<Session*> sessions_;
  ById<MessageRef> messages_;
};

}  // namespace

Result<void> restore(Core& core) {
  if (!core.store.keeps()) return {};
  Restoring restoring(core);
  if (auto done = core.store.load(restoring); !done) return done;
  restoring.finish();
  if (core.sessions.size() > 0 || core.retained.size() > 0) {
    log::info(kLog, "{} sessions with {} subscriptions and {} retained messages are back",
              core.sessions.size(), core.subscriptions.size(), core.retained.size());
  }
  return {};
}

}  // namespace tg::broker
