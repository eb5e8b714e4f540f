#include "daemon/app/session_store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "daemon/base/log.h"
#include "daemon/store/broker_state.h"
#include "daemon/store/broker_tables.h"

namespace tg::app {
namespace {

const log::Component kLog{"sessions"};

store::CopyRow row_of(const broker::StoredCopy& copy) {
  store::CopyRow row;
  row.id = copy.id;
  row.session = copy.session;
  row.message = copy.message;
  row.subscription_id = copy.subscription_id;
  row.packet_id = copy.packet_id;
  row.qos = copy.qos;
  row.retain = copy.retain;
  row.step = copy.step;
  return row;
}

}  // namespace

// Rows become what the broker knows; ages are worked out on the way.
class SessionStore::Loader final : public store::BrokerLoader {
 public:
  Loader(SessionStore& owner, Visitor& visitor)
      : owner_(owner),
        visitor_(visitor),
        changes_(owner.store_.broker_changes()),
        now_(owner.now()) {}

  void on_last_ids(store::BrokerId session, store::BrokerId message,
                   store::BrokerId copy) override {
    visitor_.on_last_ids(session, message, copy);
  }
  void on_session(const store::SessionRow& row) override {
    broker::StoredSession session;
    session.id = row.id;
    session.client_id = row.client_id;
    session.identity = row.identity;
    session.protocol = row.protocol;
    session.expires_after_ms = row.expires_after_ms;
    session.is_away = row.is_away;
    if (row.is_away) {
      session.away_ms = store::age_ms(row.left, now_.at, now_.boot);
      if (row.left.boot != now_.boot && now_.at.quality != ClockQuality::kSynchronised) {
        owner_.undated_.emplace(row.id, Undated{row.client_id, row.left});
      }
    }
    visitor_.on_session(session);
  }
  void on_subscription(const store::SubscriptionRow& row) override {
    visitor_.on_subscription(row.session, {row.filter, row.group, row.options},
                             row.subscription_id);
  }
  void on_held(store::BrokerId session, std::uint16_t packet_id) override {
    visitor_.on_held(session, packet_id);
  }
  void on_message(const store::MessageRow& row) override {
    broker::MessageFields fields{row.topic, row.payload, row.properties, row.qos};
    if (row.lifetime_ms != 0) {
      const std::int64_t left_ms = row.lifetime_ms - store::age_ms(row.since, now_.at, now_.boot);
      fields.expires_at_ms = std::max<std::int64_t>(now_.at.mono_ms + left_ms, 1);
    }
    visitor_.on_message(row.id, fields);
  }
  void on_damaged_message(store::BrokerId message) override {
    ++damaged_;
    changes_.erase_message(message);  // what refers to it goes with it
  }
  void on_retained(store::BrokerId message) override { visitor_.on_retained(message); }
  void on_copy(const store::CopyRow& row) override {
    broker::StoredCopy copy;
    copy.id = row.id;
    copy.session = row.session;
    copy.message = row.message;
    copy.subscription_id = row.subscription_id;
    copy.packet_id = row.packet_id;
    copy.qos = row.qos;
    copy.retain = row.retain;
    copy.step = row.step;
    visitor_.on_copy(copy);
  }

  [[nodiscard]] std::size_t damaged() const { return damaged_; }

 private:
  SessionStore& owner_;
  Visitor& visitor_;
  store::BrokerChanges& changes_;  // of the open group
  std::size_t damaged_ = 0;
  const store::StoredTime now_;
};

Result<void> SessionStore::load(Visitor& visitor) {
  Loader loader(*this, visitor);
  auto done = store_.load_broker(loader);
  if (loader.damaged() > 0) {
    log::error(kLog, "{} queued or retained messages were damaged on the disk and are lost",
               loader.damaged());
  }
  return done;
}

void SessionStore::check_clock(broker::Broker& broker) {
  if (undated_.empty()) return;
  const store::StoredTime to = now();
  if (to.at.quality != ClockQuality::kSynchronised) return;
  for (const auto& [id, session] : std::exchange(undated_, {})) {
    broker.set_away(session.client_id, store::age_ms(session.left, to.at, to.boot));
  }
}

broker::Intake SessionStore::admit(std::size_t bytes) {
  switch (store_.admit({}, bytes)) {
    case store::Admission::kBusy:
      return broker::Intake::kHold;
    case store::Admission::kFull:
      return broker::Intake::kRefuse;
    case store::Admission::kYes:
    case store::Admission::kDiscard:
      break;
  }
  return broker::Intake::kDone;
}

void SessionStore::begin_anew() {
  undated_.clear();  // their ids are no more; the absence counts from this run's start
  store_.broker_changes().begin_anew();
}

void SessionStore::put_session(const broker::StoredSession& session) {
  undated_.erase(session.id);
  store::SessionRow row;
  row.id = session.id;
  row.client_id = session.client_id;
  row.identity = session.identity;
  row.protocol = session.protocol;
  row.expires_after_ms = session.expires_after_ms;
  row.is_away = session.is_away;
  row.left = now();
  row.left.at.wall_ms -= session.away_ms;
  row.left.at.mono_ms -= session.away_ms;
  store_.broker_changes().put_session(std::move(row));
}

void SessionStore::erase_session(broker::StoredId session) {
  undated_.erase(session);
  store_.broker_changes().erase_session(session);
}

void SessionStore::put_subscription(broker::StoredId session, const mqtt::FilterRequest& request,
                                    std::uint32_t subscription_id) {
  store_.broker_changes().put_subscription({session, std::string(request.filter),
                                            std::string(request.group), request.options,
                                            subscription_id});
}

void SessionStore::erase_subscription(broker::StoredId session,
                                      const mqtt::FilterRequest& request) {
  store_.broker_changes().erase_subscription(session, request.group, request.filter);
}

void SessionStore::hold(broker::StoredId session, std::uint16_t packet_id) {
  store_.broker_changes().hold(session, packet_id);
}

void SessionStore::release(broker::StoredId session, std::uint16_t packet_id) {
  store_.broker_changes().release(session, packet_id);
}

void SessionStore::put_message(broker::StoredId message, const broker::MessageFields& fields) {
  store::MessageRow row;
  row.id = message;
  row.qos = fields.qos;
  row.topic = fields.topic;
  row.properties = fields.properties;
  row.payload = fields.payload;
  if (fields.expires_at_ms != 0) {
    row.since = now();
    row.lifetime_ms = std::max<std::int64_t>(fields.expires_at_ms - row.since.at.mono_ms, 1);
  }
  store_.broker_changes().put_message(row);
}

void SessionStore::erase_message(broker::StoredId message) {
  store_.broker_changes().erase_message(message);
}

void SessionStore::set_retained(broker::StoredId message, bool is_retained) {
  store_.broker_changes().set_retained(message, is_retained);
}

void SessionStore::put_copy(const broker::StoredCopy& copy) {
  store_.broker_changes().put_copy(row_of(copy));
}

void SessionStore::move_copy(const broker::StoredCopy& copy) {
  store_.broker_changes().move_copy(row_of(copy));
}

void SessionStore::erase_copy(broker::StoredId copy) { store_.broker_changes().erase_copy(copy); }

}  // namespace tg::app
