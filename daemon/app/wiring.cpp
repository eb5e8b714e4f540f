#include "daemon/app/wiring.h"

#include <algorithm>
#include <utility>

namespace tg::app {
namespace {

const log::Component kLog{"intake"};

using broker::Intake;

}  // namespace

Wiring::Wiring(pipeline::Router& router, store::Store& store, std::vector<uplink::Bridge*> bridges,
               const Clock& clock, Metrics& metrics)
    : router_(router),
      store_(store),
      bridges_(std::move(bridges)),
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

Intake Wiring::on_publish(const broker::Publication& publication, broker::AckToken token) {
  const Intake intake = take_in(publication, token);
  if (intake == Intake::kDone || intake == Intake::kPending) {
    for (auto* bridge : bridges_) {
      bridge->offer(
          {publication.topic, publication.payload, publication.properties, publication.qos, 0});
    }
  }
  return intake;
}

Intake Wiring::take_in(const broker::Publication& publication, broker::AckToken token) {
  std::span<const store::StreamId> streams = router_.match(publication.topic);
  if (streams.empty()) {
    unrouted_.add();
    return Intake::kDone;
  }
  store::Record record;
  record.publisher = publication.client.identity.empty() ? publication.client.client_id
                                                         : publication.client.identity;
  record.topic = publication.topic;
  record.payload = publication.payload;
  record.qos = publication.qos;
  record.retain = publication.retain;
  const std::size_t size = store::record_size_bound(record);
  store::Admission admission = store_.admit(streams, size);
  if (admission == store::Admission::kFull || admission == store::Admission::kDiscard) {
    streams = with_error_streams(publication.topic, streams, size);
    admission = store_.admit(streams, size);
  }
  switch (admission) {
    case store::Admission::kYes:
      break;
    case store::Admission::kDiscard:
      dropped_.add();
      return Intake::kDone;
    case store::Admission::kBusy:
      held_.add();
      return Intake::kHold;
    case store::Admission::kFull:
      return refuse(publication);
  }
  record.received = clock_.now();
  for (const auto stream : streams) store_.append(stream, record);
  stored_.add();
  if (publication.qos == 0 || publication.is_will) return Intake::kDone;
  store_.await(token);
  return Intake::kPending;
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

Intake Wiring::refuse(const broker::Publication& publication) {
  if (publication.qos == 0 || publication.is_will) {
    dropped_.add();
    return Intake::kDone;
  }
  refused_.add();
  if (refuse_limit_.allow(clock_.mono_ms())) {
    log::warning(kLog,
                 "publish of {} on {} refused: its stream is full or the disk does not take it; "
                 "it is not acknowledged ({} more since the last such line)",
                 publication.client.client_id, publication.topic, refuse_limit_.take_suppressed());
  }
  return Intake::kRefuse;
}

bool Wiring::authorise(const broker::ClientInfo& client, broker::Access access,
                       std::string_view topic) {
  // $aws/… belongs to the gateway's services; what speaks there must have an identity.
  if (access == broker::Access::kPublish && client.identity.empty()) return !topic.starts_with('$');
  return true;
}

}  // namespace tg::app
