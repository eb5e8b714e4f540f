// From a message to its subscribers.
//
// A message is encoded once for each QoS that somebody receives it at; receivers get a copy of
// those bytes, in which only the packet id differs. It becomes a shared Message only when somebody
// must remember it: a persistent session's window, a queue, the retained set.
//
// What does not fit at a slow consumer: QoS 0 is dropped beyond max_queued_bytes of output; QoS 1
// and 2 wait in the session's queue, where the oldest is dropped at its limits.
#include <algorithm>
#include <cstring>

#include "local-broker/broker/core.h"
#include "local-broker/mqtt/encode.h"

namespace tg::broker {
namespace {

// Queued messages go to the output up to here, so that they are not in memory twice.
constexpr std::size_t kOutputHigh = 64 * 1024;

// Decides who gets what a topic carries, each session once, at the highest QoS of its filters.
void resolve(Core& core, TopicEntry& entry) {
  const std::size_t before = entry.targets.capacity();
  entry.targets.clear();
  const std::uint64_t mark = ++core.last_serial;
  core.subscriptions.match(entry.topic, [&core, &entry, mark](const Subscriber& subscriber) {
    Session& session = *subscriber.session;
    const std::uint8_t qos = subscriber.options & 3U;
    if (session.match_mark == mark) {
      if (session.match_index == entry.targets.size()) return;  // may not receive
      Target& target = entry.targets[session.match_index];
      if (target.session != &session) return;
      target.qos = std::max(target.qos, qos);
      return;
    }
    session.match_mark = mark;
    session.match_index = static_cast<std::uint32_t>(entry.targets.size());
    if (core.hooks.authorise(session.client, Access::kReceive, entry.topic)) {
      entry.targets.push_back({&session, qos, subscriber.options});
    }
  });
  entry.generation = core.subscriptions.generation();
  if (entry.targets.capacity() > before) {
    core.topics.grew((entry.targets.capacity() - before) * sizeof(Target));
  }
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

void pop_queued(Core& core, Session& session) {
  const std::size_t before = session.outbound.queued_bytes();
  session.outbound.pop_front();
  core.queued_bytes -= before - session.outbound.queued_bytes();
}

void push_queued(Core& core, Session& session, Queued queued) {
  const std::size_t before = session.outbound.queued_bytes();
  session.outbound.push(std::move(queued));
  core.queued_bytes += session.outbound.queued_bytes() - before;
}

bool is_over_limit(const Core& core, const Session& session, std::size_t more) {
  const Outbound& outbound = session.outbound;
  return outbound.queued() - outbound.replaying() >= core.options.max_queued ||
         outbound.queued_bytes() + more > core.options.max_queued_bytes ||
         memory_of(core) + more > core.options.total_memory;
}

void enqueue(Core& core, Session& session, const MessageRef& message, std::uint8_t qos) {
  const std::size_t size = message->size();
  while (is_over_limit(core, session, size)) {
    count_drop(core, session);
    if (!session.outbound.has_queued() || session.outbound.front().is_replay) return;
    pop_queued(core, session);
  }
  push_queued(core, session, {message, qos, false, false});
}

// One message on its way to many.
class Delivery {
 public:
  Delivery(Core& core, const MessageFields& fields) : core_(core), fields_(fields) {}

  void to(const Target& target) {
    Session& session = *target.session;
    const std::uint8_t qos = std::min(target.qos, fields_.qos);
    if (qos == 0) {
      send_plain(session);
    } else {
      send_assured(session, qos);
    }
  }

 private:
  struct Form {
    std::string_view bytes;
    std::size_t packet_id_at = 0;
    bool made = false;
  };

  const Form& form(std::uint8_t qos) {
    Form& form = forms_[qos];
    if (form.made) return form;
    std::string& bytes = core_.encoded[qos];
    bytes.clear();
    mqtt::Publish publish;
    publish.topic = fields_.topic;
    publish.payload = fields_.payload;
    publish.qos = qos;
    form.packet_id_at = mqtt::append_publish(bytes, mqtt::Version::k311, publish).packet_id_at;
    form.bytes = bytes;
    form.made = true;
    return form;
  }

  const MessageRef& shared() {
    if (!shared_) shared_ = MessageRef::make(fields_);
    return shared_;
  }

  void send_plain(Session& session) {
    Connection* connection = session.connection;
    if (connection == nullptr) return;  // QoS 0 does not wait for those who are away
    if (session.outbound.replaying() > 0) {
      enqueue(core_, session, shared(), 0);
      return;
    }
    const Form& bytes = form(0);
    const std::size_t pending = connection->out.size();
    if (pending > kOutputHigh && (pending + bytes.bytes.size() > core_.options.max_queued_bytes ||
                                  memory_of(core_) > core_.options.total_memory)) {
      count_drop(core_, session);
      return;
    }
    write(core_, *connection, bytes.bytes);
    ++core_.counts.delivered;
  }

  void send_assured(Session& session, std::uint8_t qos) {
    Connection* connection = session.connection;
    Outbound& outbound = session.outbound;
    if (connection == nullptr && session.clean) return;  // its connection has just ended
    if (connection == nullptr || outbound.has_queued() ||
        outbound.in_flight() >= core_.options.max_inflight ||
        connection->out.size() > kOutputHigh) {
      enqueue(core_, session, shared(), qos);
      return;
    }
    const std::uint16_t id =
        outbound.start(session.clean ? MessageRef() : shared(), qos, /*retain=*/false);
    const Form& bytes = form(qos);
    char* room = reserve(core_, *connection, bytes.bytes.size());
    std::memcpy(room, bytes.bytes.data(), bytes.bytes.size());
    room[bytes.packet_id_at] = static_cast<char>(id >> 8U);
    room[bytes.packet_id_at + 1] = static_cast<char>(id & 0xFFU);
    ++core_.counts.delivered;
  }

  Core& core_;
  const MessageFields& fields_;
  std::array<Form, 3> forms_;
  MessageRef shared_;
};

void send_one(Core& core, Connection& connection, const Message& message, std::uint8_t qos,
              bool retain, bool dup, std::uint16_t packet_id) {
  const MessageFields fields = message.fields();
  mqtt::Publish publish;
  publish.topic = fields.topic;
  publish.payload = fields.payload;
  publish.packet_id = packet_id;
  publish.qos = qos;
  publish.retain = retain;
  publish.dup = dup;
  core.packet.clear();
  mqtt::append_publish(core.packet, connection.version, publish);
  write(core, connection, core.packet);
  ++core.counts.delivered;
}

}  // namespace

TopicEntry* topic_entry(Core& core, std::string_view topic) {
  TopicEntry* entry = core.topics.find(topic);
  if (entry == nullptr) {
    if (!mqtt::is_valid_topic_name(topic)) return nullptr;
    entry = &core.topics.insert(topic);
  }
  if (entry->generation != core.subscriptions.generation()) resolve(core, *entry);
  return entry;
}

void deliver(Core& core, TopicEntry& topic, const MessageFields& message) {
  if (topic.targets.empty()) return;
  Delivery delivery(core, message);
  for (const Target& target : topic.targets) delivery.to(target);
}

void retain(Core& core, const MessageFields& message) {
  if (message.payload.empty()) {
    core.retained.remove(message.topic);
    return;
  }
  if (core.retained.set(message.topic, MessageRef::make(message))) return;
  ++core.counts.dropped;
  if (core.limit_log.allow(core.now_ms)) {
    log::warning(kLog, "the retained set is full: {} is not retained", message.topic);
  }
}

void replay_retained(Core& core, Session& session, std::string_view filter, std::uint8_t qos) {
  // Subscribing again and again must not pile up replays without end.
  const std::size_t limit = core.retained.size() * 4 + 1000;
  core.retained.match(filter, [&core, &session, qos, limit](const MessageRef& message) {
    if (!core.hooks.authorise(session.client, Access::kReceive, message->topic())) return;
    if (session.outbound.replaying() >= limit) {
      count_drop(core, session);
      return;
    }
    const std::uint8_t granted = std::min(qos, message->fields().qos);
    push_queued(core, session, {message, granted, true, true});
  });
}

void redeliver(Core& core, Connection& connection) {
  Outbound& outbound = connection.session->outbound;
  for (std::size_t i = 0; i < outbound.in_flight(); ++i) {
    const InFlight& record = outbound.in_flight(i);
    if (record.await == Await::kPubcomp) {
      write_ack(core, connection, mqtt::PacketType::kPubrel, record.packet_id);
    } else if (record.message) {
      send_one(core, connection, *record.message, record.qos, record.retain, true,
               record.packet_id);
    }
  }
  if (outbound.has_queued()) pump(core, connection);
}

void pump(Core& core, Connection& connection) {
  Session& session = *connection.session;
  Outbound& outbound = session.outbound;
  while (outbound.has_queued() && connection.out.size() < kOutputHigh) {
    const Queued queued = outbound.front();
    std::uint16_t packet_id = 0;
    if (queued.qos > 0) {
      if (outbound.in_flight() >= core.options.max_inflight) return;
      packet_id =
          outbound.start(session.clean ? MessageRef() : queued.message, queued.qos, queued.retain);
    }
    pop_queued(core, session);
    send_one(core, connection, *queued.message, queued.qos, queued.retain, false, packet_id);
  }
}

}  // namespace tg::broker
