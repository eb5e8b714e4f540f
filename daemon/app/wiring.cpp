#include "daemon/app/wiring.h"

namespace tg::app {
namespace {

const log::Component kLog{"intake"};

using broker::Intake;

}  // namespace

Wiring::Wiring(pipeline::Router& router, store::Store& store, const Clock& clock, Metrics& metrics)
    : router_(router),
      store_(store),
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
  const auto streams = router_.match(publication.topic);
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
  switch (store_.admit(streams, store::record_size_bound(record))) {
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
