#include "tests/sim/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace tg::sim {
namespace {

constexpr std::size_t kMaxExamples = 5;

// Spans of time in which messages were touched by an outage: the outage itself, and after it until
// the last of what was made during it has come through.
class Disturbance {
 public:
  explicit Disturbance(const std::vector<Interval>& outages) {
    for (const Interval& outage : outages) {
      spans_.push_back({outage.begin_us, outage.end_us == 0
                                             ? std::numeric_limits<std::int64_t>::max()
                                             : outage.end_us});
      caught_up_.push_back(spans_.back().end_us);
    }
  }
  // First all messages are noted, then asked about.
  void note(std::int64_t made_us, std::int64_t done_us) {
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      if (made_us < spans_[i].begin_us || made_us > spans_[i].end_us) continue;
      caught_up_[i] = std::max(caught_up_[i], done_us);
    }
  }
  [[nodiscard]] bool touches(std::int64_t made_us, std::int64_t done_us) const {
    for (std::size_t i = 0; i < spans_.size(); ++i) {
      if (made_us <= caught_up_[i] && done_us >= spans_[i].begin_us) return true;
    }
    return false;
  }

 private:
  std::vector<Interval> spans_;
  std::vector<std::int64_t> caught_up_;
};

struct Times {
  std::int64_t made_us;
  std::int64_t done_us;
};

void measure(const std::vector<Times>& times, const std::vector<Interval>& outages, Latency& all,
             Latency& steady) {
  Disturbance disturbance(outages);
  for (const Times& t : times) disturbance.note(t.made_us, t.done_us);
  std::vector<double> all_ms;
  std::vector<double> steady_ms;
  for (const Times& t : times) {
    const double ms = static_cast<double>(t.done_us - t.made_us) / 1000;
    all_ms.push_back(ms);
    if (!disturbance.touches(t.made_us, t.done_us)) steady_ms.push_back(ms);
  }
  all = latency_of(all_ms);
  steady = latency_of(steady_ms);
}

class Analysis {
 public:
  Analysis(const DevicesLog& devices, const CloudLog& cloud) : devices_(devices), cloud_(cloud) {}

  Report make() {
    report_.local = devices_.local;
    report_.not_sampled = devices_.not_sampled;
    report_.devices_ended = devices_.has_ended;
    report_.cloud_outages = cloud_.outages;
    report_.gateway_outages = devices_.outages;
    report_.undecodable = cloud_.undecodable;
    report_.stage_logs = devices_.stages;
    report_.connections = devices_.connections;
    report_.faults = devices_.faults;
    read_tracks();
    for (const ArrivalLog& arrival : cloud_.arrivals) take(arrival);
    count_gaps();
    settle();
    return std::move(report_);
  }

 private:
  struct TrackState {
    std::vector<std::int64_t> arrived_us;
    std::uint64_t highest = 0;
  };
  struct StreamState {
    std::unordered_map<std::uint64_t, std::uint64_t> messages;  // sequence → identity
    std::unordered_set<std::uint64_t> exactly_once;             // (track, n) at QoS 2
    std::uint64_t lowest = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t highest = 0;
    std::uint64_t declared = 0;
  };

  static std::uint64_t pair(std::uint64_t high, std::uint64_t low) { return high << 32 | low; }

  // Words are numbered by the cloud's log; devices and topics that never arrived have no number.
  void read_tracks() {
    std::unordered_map<std::string_view, std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < cloud_.words.size(); ++i) numbers[cloud_.words[i]] = i;
    states_.resize(devices_.tracks.size());
    for (std::size_t i = 0; i < devices_.tracks.size(); ++i) {
      const TrackLog& track = devices_.tracks[i];
      states_[i].arrived_us.resize(track.samples.size());
      const auto device = numbers.find(track.device);
      const auto topic = numbers.find(track.topic);
      if (device == numbers.end() || topic == numbers.end()) continue;
      tracks_[pair(device->second, topic->second)] = i;
    }
  }

  // False when this record has been here before.
  bool take_key(const ArrivalLog& arrival) {
    if (arrival.stream == 0) return true;
    StreamState& stream = streams_[pair(arrival.stream, arrival.epoch)];
    const std::uint64_t identity = pair(arrival.device, arrival.topic) * 1'000'003 + arrival.n;
    const auto [found, is_new] = stream.messages.try_emplace(arrival.seq, identity);
    if (!is_new) {
      report_.key_conflicts += found->second != identity;
      return false;
    }
    report_.stream_inversions += arrival.seq < stream.highest;
    stream.highest = std::max(stream.highest, arrival.seq);
    stream.lowest = std::min(stream.lowest, arrival.seq);
    return true;
  }

  void take(const ArrivalLog& arrival) {
    const bool is_new_key = take_key(arrival);
    if (arrival.n == 0) {
      report_.other_records += is_new_key;
      return;
    }
    const auto found = tracks_.find(pair(arrival.device, arrival.topic));
    if (found == tracks_.end() || arrival.n > states_[found->second].arrived_us.size()) {
      ++report_.foreign;
      return;
    }
    if (is_new_key) note_stored(arrival, found->second);
    TrackState& state = states_[found->second];
    std::int64_t& arrived_us = state.arrived_us[arrival.n - 1];
    if (arrived_us != 0) {
      ++(is_new_key && arrival.stream != 0 ? report_.republished : report_.resent);
      return;
    }
    arrived_us = arrival.time_us;
    report_.device_inversions += arrival.n < state.highest;
    state.highest = std::max(state.highest, arrival.n);
  }

  // Only a key tells a message that was stored twice from one that was sent twice.
  void note_stored(const ArrivalLog& arrival, std::size_t track) {
    if (arrival.stream == 0 || devices_.tracks[track].qos != 2) return;
    StreamState& stream = streams_[pair(arrival.stream, arrival.epoch)];
    report_.stored_twice += !stream.exactly_once.insert(pair(track, arrival.n)).second;
  }

  void count_gaps() {
    for (const GapLog& gap : cloud_.gaps) {
      const std::uint64_t size = gap.last - gap.first + 1;
      streams_[pair(gap.stream, gap.epoch)].declared += size;
      report_.declared_gaps += size;
    }
    for (const auto& [key, stream] : streams_) {
      if (stream.messages.empty()) continue;
      const std::uint64_t span = stream.highest - stream.lowest + 1;
      const std::uint64_t known = stream.messages.size() + stream.declared;
      report_.unseen_sequence += span > known ? span - known : 0;
    }
  }

  void settle() {
    std::vector<Times> arrivals;
    std::vector<Times> acknowledgements;
    std::vector<Outcome> outcomes;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const TrackLog& track = devices_.tracks[i];
      for (std::size_t n = 0; n < track.samples.size(); ++n) {
        const Sample& sample = track.samples[n];
        if (sample.made_us == 0) continue;
        const std::int64_t arrived_us = states_[i].arrived_us[n];
        outcomes.push_back({track.qos, sample.made_us, sample.acknowledged_us, arrived_us});
        ++report_.published_by_qos[track.qos];
        if (sample.acknowledged_us != 0) {
          ++report_.acknowledged;
          acknowledgements.push_back({sample.made_us, sample.acknowledged_us});
          if (arrived_us == 0) lose(track, n + 1);
        }
        if (arrived_us == 0) continue;
        ++report_.arrived_by_qos[track.qos];
        arrivals.push_back({sample.made_us, arrived_us});
      }
    }
    std::vector<Interval> outages = devices_.outages;
    measure(acknowledgements, outages, report_.puback, report_.puback_steady);
    outages.insert(outages.end(), cloud_.outages.begin(), cloud_.outages.end());
    measure(arrivals, outages, report_.arrival, report_.arrival_steady);
    report_.stages = stages_of(devices_.stages, outcomes);
    report_.timeline = timeline_of(outcomes);
  }

  void lose(const TrackLog& track, std::uint64_t n) {
    ++report_.lost;
    if (report_.examples.size() >= kMaxExamples) return;
    report_.examples.push_back(fmt::format("{} {} n={}", track.device, track.topic, n));
  }

  const DevicesLog& devices_;
  const CloudLog& cloud_;
  Report report_;
  std::vector<TrackState> states_;                         // by track
  std::unordered_map<std::uint64_t, std::size_t> tracks_;  // (device, topic) → track
  std::unordered_map<std::uint64_t, StreamState> streams_;
};

}  // namespace

std::vector<std::string> Report::troubles() const {
  std::vector<std::string> troubles;
  const auto count = [&troubles](std::uint64_t value, const char* what) {
    if (value > 0) troubles.push_back(fmt::format("{} {}", value, what));
  };
  if (published() == 0) troubles.emplace_back("nothing was published");
  if (arrived() == 0) troubles.emplace_back("nothing arrived");
  if (!devices_ended) troubles.emplace_back("the devices' ledger has no end");
  count(lost, "acknowledged messages lost");
  count(unacknowledged(), "QoS 1 and 2 messages never acknowledged");
  count(stored_twice, "QoS 2 messages stored twice");
  count(stream_inversions, "records before an earlier one of their stream");
  count(device_inversions, "messages before an earlier one of their device");
  count(key_conflicts, "keys that name two messages");
  count(undecodable, "arrivals that could not be decoded");
  count(faults.tolerated, "malformed connections that the gateway did not close");
  for (std::size_t i = 0; i < local.size(); ++i) {
    if (local[i].is_clean()) continue;
    troubles.push_back(fmt::format(
        "local deliveries, {}: {} missed, {} QoS 2 twice, {} out of order, {} misdirected",
        kPatternNames[i], local[i].missed, local[i].repeated_qos2, local[i].out_of_order,
        local[i].misdirected));
  }
  return troubles;
}

Report make_report(const DevicesLog& devices, const CloudLog& cloud) {
  return Analysis(devices, cloud).make();
}

}  // namespace tg::sim
