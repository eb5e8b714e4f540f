#include "daemon/app/wiring.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/app/record_tail.h"

namespace tg::app {
namespace {

const log::Component kLog{"intake"};

using broker::Intake;

}  // namespace

Wiring::Wiring(pipeline::Router& router, store::Store& store, Tracer& tracer, const Clock& clock,
               Metrics& metrics)
    : router_(router),
      store_(store),
      tracer_(tracer),
      clock_(clock),
      stored_(metrics.counter("tidegate_intake_stored_total", "Publishes appended to streams")),
      unrouted_(
          metrics.counter("tidegate_intake_unrouted_total", "Publishes that no route matches")),
      held_(metrics.counter("tidegate_intake_held_total",
                            "Publishes that waited for room in store.pending")),
      refused_(metrics.counter("tidegate_intake_refused_total",
                               "QoS 1 and 2 publishes refused: a stream or the disk is full")),
      dropped_(metrics.counter("tidegate_intake_dropped_total",
                               "Publishes not stored: QoS 0 to a full store, or drop-newest")) {}

std::shared_ptr<Tracer::Trace> Wiring::trace_of(const broker::Publication& publication) {
  auto trace = tracer_.begin(publication.topic);
  Tracer::step(
      trace, "intake",
      fmt::format("{} from {} on listener {}: QoS {}{}, {} bytes", publication.topic,
                  publication.client.client_id, publication.client.listener, publication.qos,
                  publication.retain ? ", retained" : "", publication.payload.size()));
  return trace;
}

Intake Wiring::on_publish(const broker::Publication& publication, broker::AckToken token) {
  const Intake intake = take_in(publication, token);
  if (intake == Intake::kDone || intake == Intake::kPending) {
    std::optional<std::int64_t> expires_in_ms;
    if (publication.expiry_s) expires_in_ms = std::int64_t{*publication.expiry_s} * 1000;
    for (auto* bridge : bridges_) {
      bridge->offer({publication.topic, publication.payload, publication.properties,
                     publication.qos, expires_in_ms});
    }
  }
  return intake;
}

Intake Wiring::take_in(const broker::Publication& publication, broker::AckToken token) {
  const auto trace = tracer_.is_waiting() ? trace_of(publication) : nullptr;
  std::span<const store::StreamId> streams = router_.match(publication.topic);
  if (streams.empty()) {
    unrouted_.add();
    tracer_.end(trace, "no route matches: it goes to local subscribers and is not stored");
    return Intake::kDone;
  }
  Tracer::step(trace, "route", fmt::format("to {} stream(s)", streams.size()));
  store::Record record;
  record.publisher = publication.client.identity.empty() ? publication.client.client_id
                                                         : publication.client.identity;
  record.topic = publication.topic;
  record.payload = publication.payload;
  record.qos = publication.qos;
  record.retain = publication.retain;
  tail_.clear();
  append_properties(tail_, publication);
  record.tail = tail_;
  const std::size_t size = store::record_size_bound(record);
  store::Admission admission = store_.admit(streams, size);
  if (admission == store::Admission::kFull || admission == store::Admission::kDiscard) {
    streams = with_error_streams(publication.topic, streams, size);
    admission = store_.admit(streams, size);
  }
  const bool is_told = publication.qos > 0 && !publication.is_will;
  if (admission == store::Admission::kDiscard ||
      (admission == store::Admission::kFull && !is_told)) {
    streams = with_room(streams, size);
    admission = streams.empty() ? store::Admission::kDiscard : store::Admission::kYes;
  }
  switch (admission) {
    case store::Admission::kYes:
      break;
    case store::Admission::kDiscard:
      dropped_.add();
      tracer_.end(trace, is_told
                             ? "not stored: a stream with when_full: drop-newest is full"
                             : "not stored: no stream has room, and nobody waits for an answer");
      return Intake::kDone;
    case store::Admission::kBusy:
      held_.add();
      tracer_.end(trace, "held: store.pending is used up; it is taken when there is room");
      return Intake::kHold;
    case store::Admission::kFull:
      tracer_.end(trace, "refused: a stream with when_full: reject or the disk is full");
      return refuse(publication);
  }
  record.received = clock_.now();
  const bool sender_waits = is_told && !store_.may_be_lost(streams);
  for (const auto stream : streams) {
    const auto seq = store_.append(stream, record);
    if (trace != nullptr) tracer_.stored(trace, store_, stream, seq, sender_waits);
  }
  stored_.add();
  if (!sender_waits) return Intake::kDone;
  store_.await(token);
  return Intake::kPending;
}

void Wiring::inject(const std::string& client_id, const std::string& topic,
                    const std::string& payload) {
  broker::ClientInfo client;
  client.client_id = client_id;
  client.identity = client_id;
  client.listener = "internal";
  const broker::Publication publication{client, topic, payload, {}, 0, false, false};
  (void)on_publish(publication, 0);  // QoS 0: nobody waits for an answer
}

// The error action of a route (TEL-12) takes the place of a stream that has no room.
std::span<const store::StreamId> Wiring::with_error_streams(
    std::string_view topic, std::span<const store::StreamId> streams, std::size_t size) {
  instead_.clear();
  for (const auto stream : streams) {
    const auto one = store_.admit(std::span(&stream, 1), size);
    const bool has_room = one == store::Admission::kYes || one == store::Admission::kBusy;
    const auto others = has_room ? std::vector<store::StreamId>() : router_.on_error(topic, stream);
    if (others.empty()) instead_.push_back(stream);
    instead_.insert(instead_.end(), others.begin(), others.end());
  }
  std::sort(instead_.begin(), instead_.end());
  instead_.erase(std::unique(instead_.begin(), instead_.end()), instead_.end());
  return instead_;
}

// Where a message may be dropped without a word, a full stream does not keep it from the others.
std::span<const store::StreamId> Wiring::with_room(std::span<const store::StreamId> streams,
                                                   std::size_t size) {
  with_room_.clear();
  for (const auto stream : streams) {
    if (store_.admit(std::span(&stream, 1), size) == store::Admission::kYes) {
      with_room_.push_back(stream);
    } else {
      store_.drop(stream);
    }
  }
  return with_room_;
}

Intake Wiring::refuse(const broker::Publication& publication) {
  refused_.add();
  if (refuse_limit_.allow(clock_.mono_ms())) {
    log::warning(kLog,
                 {{"CLIENT", publication.client.client_id},
                  {"TOPIC", publication.topic},
                  {"REASON", "full"}},
                 "publish of {} on {} refused: its stream is full or the disk does not take it; "
                 "it is not acknowledged ({} more since the last such line)",
                 publication.client.client_id, publication.topic, refuse_limit_.take_suppressed());
  }
  return Intake::kRefuse;
}

bool Wiring::authorise(const broker::ClientInfo& client, broker::Access access,
                       std::string_view topic) {
  // $aws/… belongs to the gateway's services: what speaks there must have an identity, or come from
  // a listener that is trusted.
  const bool is_allowed = access != broker::Access::kPublish || !topic.starts_with('$') ||
                          !client.identity.empty() || client.trusted;
  if (!is_allowed && tracer_.is_waiting()) {
    tracer_.end(tracer_.begin(topic),
                "not allowed: " + client.client_id + " has no right to publish there");
  }
  return is_allowed;
}

}  // namespace tg::app
