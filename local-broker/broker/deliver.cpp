// From a message to its subscribers.
//
// A message is encoded once for each QoS that somebody receives it at; receivers get a copy of
// those bytes, in which only the packet id differs. It becomes a shared Message only when somebody
// must remember it: a persistent session's window, a queue, the retained set.
//
// What does not fit at a slow consumer: QoS 0 is dropped beyond max_queued_bytes of output; QoS 1
// and 2 wait in the session's queue, where QoS 0 and then the oldest is dropped at its limits.
#include <algorithm>
#include <cstring>
#include <utility>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"
#include "local-broker/mqtt/properties.h"

namespace tg::broker {
namespace {

// Queued messages go to the output up to here, so that they are not in memory twice.
constexpr std::size_t kOutputHigh = 64 * 1024;
// … and up to here when memory is short.
constexpr std::size_t kOutputLow = 4 * 1024;
// What one call of pump() moves at most: nobody keeps the loop to himself.
constexpr std::size_t kPumpShare = 64 * 1024;

void merge(TopicEntry& entry, Target& target, const Subscriber& subscriber) {
  const std::uint8_t qos = subscriber.options & mqtt::kOptionQos;
  const bool no_local = (subscriber.options & mqtt::kOptionNoLocal) != 0;
  target.qos = std::max(target.qos, qos);
  if (qos > 0 && subscriber.session->stored != 0) entry.is_kept = true;
  if (qos > 0 && !subscriber.session->is_transient()) entry.has_lasting = true;
  if (!no_local) {
    target.own_qos = target.own_qos == Target::kNotOwn ? qos : std::max(target.own_qos, qos);
  }
  if ((subscriber.options & mqtt::kOptionRetainAsPublished) != 0) target.retain_as_published = true;
  if (subscriber.subscription_id != 0) {
    entry.ids.push_back({subscriber.subscription_id, no_local, target.ids});
    target.ids = static_cast<std::uint32_t>(entry.ids.size());
  }
}

Target first_target(Session& session, bool is_shared) {
  return {&session, 0, Target::kNotOwn, false, is_shared, 0};
}

// Decides who gets what a topic carries: each session once, at the highest QoS of its filters, and
// one of each shared subscription.
void resolve(Core& core, TopicEntry& entry) {
  entry.targets.clear();
  entry.ids.clear();
  entry.shared.clear();
  entry.is_kept = entry.has_lasting = false;
  const std::uint64_t mark = ++core.last_serial;
  const auto may_receive = [&core, &entry](const Session& session) {
    core.work += kDeliveryWork;
    return core.hooks.authorise(session.client, Access::kReceive, entry.topic);
  };
  const auto add = [&entry, &may_receive, mark](const Subscriber& subscriber) {
    Session& session = *subscriber.session;
    if (session.match_mark != mark) {
      session.match_mark = mark;
      session.match_index = static_cast<std::uint32_t>(entry.targets.size());
      if (!may_receive(session)) return;
      entry.targets.push_back(first_target(session, false));
    }
    if (session.match_index >= entry.targets.size()) return;  // may not receive
    Target& target = entry.targets[session.match_index];
    if (target.session == &session) merge(entry, target, subscriber);
  };
  const auto add_group = [&entry, &may_receive](Subscriptions::GroupPlace place,
                                                const SharedGroup& group) {
    SharedTarget shared{place, {}};
    for (const Subscriber& member : group.members) {
      if (!may_receive(*member.session)) continue;
      shared.members.push_back(first_target(*member.session, true));
      merge(entry, shared.members.back(), member);
    }
    if (!shared.members.empty()) entry.shared.push_back(std::move(shared));
  };
  core.subscriptions.match(entry.topic, add, add_group);
  entry.generation = core.subscriptions.generation();
  core.topics.count(entry);
}

void count_drop(Core& core, const Session& session) {
  ++core.counts.dropped;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog,
                 "{} does not keep up: messages to it are dropped; {} lines about limits "
                 "were left out",
                 session.client.client_id, core.limit_log.take_suppressed());
  }
}

Queued take_queued(Core& core, Session& session) {
  --core.queue_entries;
  return session.outbound.take_front();
}

void push_queued(Core& core, Session& session, Queued queued) {
  session.outbound.push(std::move(queued));
  ++core.queue_entries;
}

bool is_over_limit(const Core& core, const Session& session, std::size_t more) {
  const Outbound& outbound = session.outbound;
  return outbound.queued() - outbound.replaying() >= core.options.max_queued ||
         outbound.queued_bytes() + more > core.options.max_queued_bytes;
}

// The properties of version 5 as a receiver gets them, in core.properties.
void make_properties(Core& core, const MessageFields& fields, std::uint32_t subscription_id) {
  core.properties.clear();
  if (fields.expires_at_ms != 0) {
    const std::int64_t left_ms = std::max<std::int64_t>(fields.expires_at_ms - core.now_ms, 0);
    mqtt::put_property(core.properties, mqtt::Property::kMessageExpiry,
                       static_cast<std::uint32_t>((left_ms + 999) / 1000));
  }
  core.properties.append(fields.properties);
  if (subscription_id != 0) mqtt::put_subscription_id(core.properties, subscription_id);
}

// The topic becomes an alias if the peer takes them and there is one left.
void use_alias(Core& core, Version5& v5, mqtt::Publish& publish) {
  if (v5.alias_out_maximum == 0) return;
  const auto known = v5.aliases_out.find(std::string(publish.topic));
  if (known != v5.aliases_out.end()) {
    publish.topic = {};
    mqtt::put_property(core.properties, mqtt::Property::kTopicAlias, known->second);
  } else if (v5.aliases_out.size() < v5.alias_out_maximum && has_room(core)) {
    const auto alias = static_cast<std::uint16_t>(v5.aliases_out.size() + 1);
    v5.aliases_out.emplace(publish.topic, alias);
    core.alias_bytes += publish.topic.size();
    mqtt::put_property(core.properties, mqtt::Property::kTopicAlias, alias);
  }
}

mqtt::Publish packet_of(const MessageFields& fields, std::uint8_t qos, bool retain) {
  mqtt::Publish publish;
  publish.topic = fields.topic;
  publish.payload = fields.payload;
  publish.qos = qos;
  publish.retain = retain;
  return publish;
}

// A PUBLISH for one receiver. False when it would be more than that one takes: it is gone then
// [MQTT-3.1.2-24], [-25]. The packet id is asked for once that is settled.
template <class TakePacketId>
bool send_one(Core& core, Connection& connection, const MessageFields& fields, const Copy& copy,
              bool dup, TakePacketId&& take_packet_id) {
  mqtt::Publish publish = packet_of(fields, copy.qos, copy.retain);
  publish.dup = dup;
  if (connection.version == mqtt::Version::k5) {
    constexpr std::size_t kAliasRoom = 3;
    make_properties(core, fields, copy.subscription_id);
    publish.properties = core.properties;
    const std::size_t full = mqtt::publish_size(mqtt::Version::k5, publish);
    if (full > connection.max_packet_size) return false;
    if (full + kAliasRoom <= connection.max_packet_size) use_alias(core, *connection.v5, publish);
    publish.properties = core.properties;
  }
  if (copy.qos > 0) publish.packet_id = take_packet_id();
  const std::size_t size = mqtt::publish_size(connection.version, publish);
  mqtt::write_publish(reserve(core, connection, size), connection.version, publish);
  ++core.counts.delivered;
  core.counts.payload_out += fields.payload.size();
  return true;
}

// To be sent when the window's earlier ones have been; a QoS 2 message when its packet id is
// durable, too.
void start_later(Core& core, Session& session, Copy copy) {
  InFlight& record = session.outbound.start_unsent(std::move(copy));
  if (record.stored == 0) {
    keep_copy(core, session, record, record.packet_id);
  } else {
    move_copy(core, session, record);
  }
  if (record.qos == 2) record.durable_at = await_commit(core, session);
}

// Whether the window keeps the message. A session that ends with its connection never sends it
// again, but another member of its group may: only of QoS 1 [MQTT-4.8.2-5], and while there is
// room.
bool is_remembered(const Core& core, const Session& session, std::uint8_t qos, bool is_shared) {
  return !session.is_transient() || (is_shared && qos == 1 && has_room_for_message(core));
}

Copy remembered(const Core& core, const Session& session, const Copy& copy) {
  if (is_remembered(core, session, copy.qos, copy.is_shared)) return copy;
  return {{}, copy.subscription_id, copy.qos, copy.retain, copy.is_shared};
}

// One message on its way to many.
class Delivery {
 public:
  Delivery(Core& core, const TopicEntry& topic, const MessageFields& fields, const Session* from,
           bool retained)
      : core_(core),
        topic_(topic),
        fields_(fields),
        from_(from),
        retained_(retained),
        is_admitted_(from != nullptr) {}
  // One that is in memory already.
  Delivery(Core& core, const TopicEntry& topic, const MessageFields& fields, MessageRef message,
           bool retained)
      : Delivery(core, topic, fields, nullptr, retained) {
    shared_ = std::move(message);
    is_admitted_ = true;
  }

  void to(const Target& target) {
    const std::uint8_t granted = target.session == from_ ? target.own_qos : target.qos;
    if (granted == Target::kNotOwn) return;
    const std::uint8_t qos = std::min(granted, fields_.qos);
    const bool retain = retained_ && target.retain_as_published;
    if (qos == 0) {
      send_plain(target, retain);
    } else {
      send_assured(target, qos, retain);
    }
  }

 private:
  // The packet but for its id.
  struct Form {
    std::string_view bytes;
    std::size_t packet_id_at;
  };

  Form form(bool v5, std::uint8_t qos, bool retain) {
    const unsigned index = (v5 ? 6U : 0U) + (retain ? 3U : 0U) + qos;
    std::string& bytes = core_.encoded[index];
    if ((made_ >> index & 1U) == 0) {
      bytes.clear();
      mqtt::Publish publish = packet_of(fields_, qos, retain);
      if (v5) {
        make_properties(core_, fields_, 0);
        publish.properties = core_.properties;
      }
      const auto version = v5 ? mqtt::Version::k5 : mqtt::Version::k311;
      layouts_[index] = mqtt::append_publish(bytes, version, publish);
      made_ |= 1U << index;
    }
    return {bytes, layouts_[index].packet_id_at};
  }

  const MessageRef& shared() {
    if (!shared_) shared_ = MessageRef::make(fields_, &core_.messages);
    return shared_;
  }

  // The message with what only this receiver gets.
  Copy copy_for(const Target& target, std::uint8_t qos, bool retain) {
    Copy copy{{}, 0, qos, retain, target.is_shared};
    std::string several;
    for (std::uint32_t at = target.ids; at != 0; at = topic_.ids[at - 1].next) {
      const TargetId& id = topic_.ids[at - 1];
      if (target.session == from_ && id.no_local) continue;
      if (copy.subscription_id == 0) {
        copy.subscription_id = id.subscription_id;
      } else {
        mqtt::put_subscription_id(several, id.subscription_id);
      }
    }
    if (several.empty()) {
      copy.message = shared();
      return copy;
    }
    MessageFields fields = fields_;
    several.insert(0, fields.properties);
    fields.properties = several;
    copy.message = MessageRef::make(fields, &core_.messages);
    return copy;
  }

  // Nobody else gets these bytes.
  [[nodiscard]] static bool is_individual(const Connection& connection, const Target& target) {
    return connection.v5 && (target.ids != 0 || connection.v5->alias_out_maximum > 0);
  }

  // The output of a slow consumer is bounded; when memory is short it gets nothing more.
  [[nodiscard]] bool takes_more(const Connection& connection) const {
    const std::size_t pending = connection.out.size();
    if (pending > kOutputHigh &&
        pending + fields_.payload.size() > core_.options.max_queued_bytes) {
      return false;
    }
    return !connection.blocked || has_room_for_message(core_);
  }

  void count_sent(Connection& connection) {
    ++core_.counts.delivered;
    core_.counts.payload_out += fields_.payload.size();
    flush_if_large(core_, connection);
  }

  void send_plain(const Target& target, bool retain) {
    Session& session = *target.session;
    Connection* connection = session.connection;
    if (connection == nullptr) return;  // QoS 0 does not wait for those who are away
    if (session.outbound.replaying() > 0) {
      enqueue(core_, session, copy_for(target, 0, retain));
      return;
    }
    if (!takes_more(*connection)) {
      count_drop(core_, session);
      return;
    }
    if (is_individual(*connection, target)) {
      const Copy copy = copy_for(target, 0, retain);
      send_individual(*connection, copy);
      return;
    }
    const Form packet = form(connection->version == mqtt::Version::k5, 0, retain);
    if (packet.bytes.size() > connection->max_packet_size) {
      count_drop(core_, session);
      return;
    }
    write(core_, *connection, packet.bytes);
    count_sent(*connection);
  }

  void send_assured(const Target& target, std::uint8_t qos, bool retain) {
    Session& session = *target.session;
    Connection* connection = session.connection;
    Outbound& outbound = session.outbound;
    if (connection == nullptr && session.is_transient()) return;  // its connection has just ended
    const bool is_stored = session.stored != 0;
    if (connection == nullptr || outbound.has_queued() || (outbound.unsent() > 0 && !is_stored) ||
        outbound.in_flight() >= connection->window || connection->out.size() > kOutputHigh ||
        ((connection->blocked || !session.is_transient()) && !has_room_for_message(core_))) {
      enqueue(core_, session, copy_for(target, qos, retain),
              is_admitted_ && !session.is_transient());
      return;
    }
    if (is_stored && (qos == 2 || outbound.unsent() > 0)) {
      start_later(core_, session, copy_for(target, qos, retain));
      return;
    }
    if (is_individual(*connection, target)) {
      send_individual(*connection, copy_for(target, qos, retain));
      return;
    }
    const Form packet = form(connection->version == mqtt::Version::k5, qos, retain);
    if (packet.bytes.size() > connection->max_packet_size) {
      count_drop(core_, session);
      return;
    }
    const bool is_kept = is_remembered(core_, session, qos, target.is_shared);
    Copy copy{is_kept ? shared() : MessageRef(), 0, qos, retain, target.is_shared};
    const std::uint16_t id = outbound.start(std::move(copy));
    if (is_stored) keep_copy(core_, session, outbound.newest(), id);
    char* room = reserve(core_, *connection, packet.bytes.size());
    std::memcpy(room, packet.bytes.data(), packet.bytes.size());
    room[packet.packet_id_at] = static_cast<char>(id >> 8U);
    room[packet.packet_id_at + 1] = static_cast<char>(id & 0xFFU);
    count_sent(*connection);
  }

  void send_individual(Connection& connection, const Copy& copy) {
    Session& session = *connection.session;
    const bool sent = send_one(core_, connection, copy.message->fields(), copy, false, [&] {
      const std::uint16_t id = session.outbound.start(remembered(core_, session, copy));
      keep_copy(core_, session, session.outbound.newest(), id);
      return id;
    });
    if (!sent) count_drop(core_, session);
    flush_if_large(core_, connection);
  }

  Core& core_;
  const TopicEntry& topic_;
  const MessageFields& fields_;
  const Session* from_;
  const bool retained_;
  bool is_admitted_;
  unsigned made_ = 0;  // bits of the forms that core.encoded holds
  std::array<mqtt::PublishLayout, 12> layouts_;
  MessageRef shared_;
};

// Whose turn it is: of those who are there and keep up, else who is there, else who will come back.
const Target* choose(Core& core, const SharedTarget& shared, const Session* leaving = nullptr) {
  SharedGroup& group = core.subscriptions.group(shared.place);
  const std::size_t count = shared.members.size();
  std::size_t best = count;
  int best_rank = 0;
  std::size_t i = 0;
  for (; i < count && best_rank < 3; ++i) {
    const std::size_t at = (group.turn + i) % count;
    const Session& session = *shared.members[at].session;
    if (&session == leaving) continue;
    const Connection* connection = session.connection;
    int rank = session.is_transient() ? 0 : 1;
    if (connection != nullptr) {
      const Outbound& outbound = session.outbound;
      const bool keeps_up = !connection->blocked && !outbound.has_queued() &&
                            outbound.in_flight() < connection->window;
      rank = keeps_up ? 3 : 2;
    }
    if (rank > best_rank) {
      best = at;
      best_rank = rank;
    }
  }
  core.work += i * (kDeliveryWork / 8);
  if (best == count) return nullptr;
  group.turn = best + 1;
  return &shared.members[best];
}

void resend(Core& core, Connection& connection, InFlight& record) {
  if (record.await == Await::kPubcomp) {
    write_ack(core, connection, mqtt::PacketType::kPubrel, record.packet_id);
  } else if (record.message) {
    const bool is_again = std::exchange(record.sent, true);
    const bool sent = send_one(core, connection, record.message->fields(), record, is_again,
                               [&record] { return record.packet_id; });
    if (sent) return;
    // Not for this peer: as if it had been received [MQTT-3.1.2-25].
    Session& session = *connection.session;
    count_drop(core, session);
    Copy done;
    session.outbound.abandon(record, &done);
    drop_copy(core, done);
  }
}

void send_queued(Core& core, Connection& connection, Queued& queued) {
  Session& session = *connection.session;
  const bool sent = send_one(core, connection, queued.message->fields(), queued, false, [&] {
    const std::uint16_t id = session.outbound.start(remembered(core, session, queued));
    move_copy(core, session, session.outbound.newest());
    return id;
  });
  if (sent) return;
  count_drop(core, session);
  drop_copy(core, queued);
}

}  // namespace

TopicEntry* topic_entry(Core& core, std::string_view topic) {
  TopicEntry* entry = core.topics.find(topic);
  if (entry == nullptr) {
    if (!mqtt::is_valid_topic_name(topic)) return nullptr;
    entry = &core.topics.insert(topic);
  } else if (entry->generation != core.subscriptions.generation() && core.topics.is_full()) {
    entry = &core.topics.insert(topic);  // which begins by forgetting all others
  }
  if (entry->generation != core.subscriptions.generation()) resolve(core, *entry);
  return entry;
}

void deliver(Core& core, TopicEntry& topic, const MessageFields& message, const Session* from,
             bool retained) {
  if (!topic.has_receivers()) return;
  core.work += (topic.targets.size() + topic.shared.size()) *
               ((topic.is_kept ? kStoredDeliveryWork : kDeliveryWork) + message.payload.size());
  Delivery delivery(core, topic, message, from, retained);
  for (const Target& target : topic.targets) delivery.to(target);
  for (const SharedTarget& shared : topic.shared) {
    if (const Target* target = choose(core, shared)) delivery.to(*target);
  }
}

void pass_on(Core& core, Session& leaving) {
  const auto is_leaving = [&leaving](const Target& target) { return target.session == &leaving; };
  leaving.outbound.for_each([&](const Copy& copy, const InFlight* record) {
    if (!copy.is_shared || !copy.message || copy.qos == 0) return;
    if (copy.qos == 2 && record != nullptr && record->sent) return;
    if (copy.message->is_expired(core.now_ms)) return;
    const TopicEntry* topic = topic_entry(core, copy.message->topic());
    if (topic == nullptr) return;
    for (const SharedTarget& shared : topic->shared) {
      if (std::none_of(shared.members.begin(), shared.members.end(), is_leaving)) continue;
      const Target* target = choose(core, shared, &leaving);
      if (target == nullptr) continue;
      Delivery(core, *topic, copy.message->fields(), copy.message, copy.retain).to(*target);
      return;
    }
  });
}

void enqueue(Core& core, Session& session, Copy copy, bool is_admitted) {
  const std::size_t size = copy.message->size();
  const bool is_short = is_admitted ? !has_room(core) : !has_room_for_message(core);
  // What gives way for one that is larger than the queue makes no room for it.
  if (is_short || size > core.options.max_queued_bytes) {
    count_drop(core, session);
    drop_copy(core, copy);
    return;
  }
  while (is_over_limit(core, session, size)) {
    count_drop(core, session);
    if (copy.qos == 0) return;
    if (session.outbound.drop_qos0()) {
      --core.queue_entries;
      continue;
    }
    if (!session.outbound.has_queued() || session.outbound.front().is_replay) {
      drop_copy(core, copy);
      return;
    }
    Queued oldest = take_queued(core, session);
    drop_copy(core, oldest);
  }
  if (copy.stored == 0) keep_copy(core, session, copy, 0);
  push_queued(core, session, {std::move(copy), false});
}

void forget_retained(Core& core, std::string_view topic) {
  const Message* known = core.retained.find(topic);
  if (known == nullptr) return;
  drop_retained(core, *known);
  core.retained.remove(topic);
}

bool retain(Core& core, const MessageFields& message, bool keep) {
  const bool is_kept = keep && core.store.keeps() && !message.topic.starts_with("$SYS/");
  if (core.store.keeps() || message.payload.empty()) forget_retained(core, message.topic);
  if (message.payload.empty()) return true;
  if (has_room_for_message(core, message.topic.size() + message.payload.size())) {
    const MessageRef shared = MessageRef::make(message, &core.messages);
    if (core.retained.set(message.topic, shared)) {
      if (is_kept) keep_retained(core, *shared);
      return true;
    }
  } else {
    forget_retained(core, message.topic);
  }
  ++core.counts.dropped;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog, "the retained set is full: {} is not retained", message.topic);
  }
  return false;
}

std::vector<MessageRef> match_retained(Core& core, std::string_view filter) {
  std::vector<MessageRef> matched;
  core.retained.match(filter,
                      [&matched](const MessageRef& message) { matched.push_back(message); });
  core.work += matched.size() * (kDeliveryWork / 4);
  return matched;
}

void replay_retained(Core& core, Session& session, const MessageRef& message, std::uint8_t qos,
                     std::uint32_t subscription_id) {
  core.work += kReplayWork;
  if (core.retained.find(message->topic()) != &*message) return;
  if (message->is_expired(core.now_ms)) {
    forget_retained(core, message->topic());
    return;
  }
  if (!core.hooks.authorise(session.client, Access::kReceive, message->topic())) return;
  // Subscribing again and again must not pile up replays without end.
  const std::size_t limit = core.retained.size() * 4 + 1000;
  if (session.outbound.replaying() >= limit || !has_room(core)) {
    count_drop(core, session);
    return;
  }
  const std::uint8_t granted = std::min(qos, message->fields().qos);
  Copy copy{message, subscription_id, granted, true};
  keep_copy(core, session, copy, 0);
  push_queued(core, session, {std::move(copy), true});
}

void pump(Core& core, Connection& connection) {
  Session& session = *connection.session;
  Outbound& outbound = session.outbound;
  const auto written = [&] { return core.counts.bytes_out + connection.out.size(); };
  const std::uint64_t enough = written() + kPumpShare;
  const std::size_t high = has_room(core) ? kOutputHigh : kOutputLow;
  const auto goes_on = [&] {
    return !connection.closing && connection.out.size() < high && written() < enough;
  };
  while (outbound.unsent() > 0 && goes_on() &&
         outbound.in_flight() - outbound.unsent() < connection.window && outbound.may_send_next()) {
    resend(core, connection, outbound.resend_next());
  }
  while (outbound.has_queued() && goes_on()) {
    const bool is_behind = outbound.unsent() > 0;
    if (is_behind && outbound.front().stored == 0) return;
    if (outbound.front().qos > 0 && outbound.in_flight() >= connection.window) return;
    Queued queued = take_queued(core, session);
    if (queued.message->is_expired(core.now_ms)) {
      drop_copy(core, queued);
    } else if (queued.stored != 0 && (is_behind || queued.qos == 2)) {
      start_later(core, session, std::move(queued));
    } else {
      send_queued(core, connection, queued);
    }
  }
}

}  // namespace tg::broker
