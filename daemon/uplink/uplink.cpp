#include "daemon/uplink/uplink.h"

#include <utility>

#include "daemon/base/assert.h"

namespace tg::uplink {

Uplink::Uplink(UplinkOptions options, cloud::Link& link,
               std::vector<std::unique_ptr<Source>> sources, const Clock& clock, Timers& timers,
               Metrics& metrics, std::uint64_t seed)
    : name_(options.session.name),
      sources_(std::move(sources)),
      session_(options.session, link, clock, timers, metrics, seed) {
  TG_ASSERT(sources_.size() == options.exports.size());
  const bool with_properties = options.session.link.protocol >= 5;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const int priority = options.exports[i].priority;
    exporters_.push_back(std::make_unique<Exporter>(
        std::move(options.exports[i]), options.gateway_id, with_properties, *sources_[i], clock,
        timers, metrics, [this] { session_.pump(); }));
    session_.add_sender(*exporters_.back(), priority);
  }
}

void Uplink::on_advanced(store::StreamId stream) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i]->stream_id() == stream) exporters_[i]->on_advanced();
  }
}

std::string Uplink::progress(std::string_view name, Seq seq) const {
  for (const auto& exporter : exporters_) {
    if (exporter->status().name == name) return exporter->progress(seq);
  }
  return {};
}

UplinkStatus Uplink::status() const {
  UplinkStatus status{name_, session_.status(), {}};
  for (const auto& exporter : exporters_) status.exports.push_back(exporter->status());
  return status;
}

}  // namespace tg::uplink
