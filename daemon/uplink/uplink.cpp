#include "daemon/uplink/uplink.h"

#include <utility>

#include "daemon/base/assert.h"

namespace tg::uplink {

namespace {

constexpr int kBridgePriority = 0;  // before every stream: commands are small and wanted now

}  // namespace

Uplink::Uplink(UplinkOptions options, cloud::Link& link,
               std::vector<std::unique_ptr<Source>> sources, const Clock& clock, Timers& timers,
               Metrics& metrics, std::uint64_t seed, const Letters& letters)
    : name_(options.session.name),
      sources_(std::move(sources)),
      session_(options.session, link, clock, timers, metrics, seed) {
  TG_ASSERT(sources_.size() == options.exports.size());
  const bool with_properties = options.session.link.protocol >= 5;
  if (!options.bridge.empty()) {
    bridge_.emplace(name_, std::move(options.bridge), options.limits, with_properties, clock,
                    metrics, [this] { session_.pump(); });
    session_.add_sender(*bridge_, kBridgePriority);
    session_.subscribe(bridge_->filters(), [this](const cloud::IncomingMessage& message) {
      bridge_->on_message(message);
    });
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const int priority = options.exports[i].priority;
    const bool live_first = options.exports[i].live_first;
    const Task pump = [this] { session_.pump(); };
    exporters_.emplace_back();
    live_first_.emplace_back();
    if (live_first) {
      live_first_[i] =
          std::make_unique<LiveFirst>(options.exports[i], options.gateway_id, with_properties,
                                      *sources_[i], clock, timers, metrics, letters, pump);
      for (Sender* sender : live_first_[i]->senders()) session_.add_sender(*sender, priority);
    } else {
      exporters_[i] = std::make_unique<Exporter>(std::move(options.exports[i]), options.gateway_id,
                                                 with_properties, *sources_[i], clock, timers,
                                                 metrics, letters, pump);
      session_.add_sender(*exporters_[i], priority);
    }
  }
}

void Uplink::on_advanced(store::StreamId stream) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i]->stream_id() != stream) continue;
    if (live_first_[i]) {
      live_first_[i]->on_advanced();
    } else {
      exporters_[i]->on_advanced();
    }
  }
}

void Uplink::on_rewound(store::ReaderId reader) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (sources_[i]->reader_id() != reader) continue;
    if (live_first_[i]) {
      live_first_[i]->on_rewound();
    } else {
      exporters_[i]->on_rewound();
    }
  }
}

std::string Uplink::progress(std::string_view name, Seq seq) const {
  for (const auto& exporter : exporters_) {
    if (exporter && exporter->name() == name) return exporter->progress(seq);
  }
  return {};
}

bool Uplink::unblock(std::string_view name) {
  for (const auto& exporter : exporters_) {
    if (!exporter || exporter->name() != name) continue;
    exporter->unblock();
    return true;
  }
  for (const auto& live_first : live_first_) {
    if (!live_first || live_first->name() != name) continue;
    live_first->unblock();
    return true;
  }
  return false;
}

UplinkStatus Uplink::status() const {
  UplinkStatus status{name_, session_.status(), {}};
  for (std::size_t i = 0; i < exporters_.size(); ++i) {
    status.exports.push_back(live_first_[i] ? live_first_[i]->status() : exporters_[i]->status());
  }
  return status;
}

}  // namespace tg::uplink
