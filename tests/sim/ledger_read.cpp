#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <unordered_map>
#include <utility>

#include "tests/sim/ledger.h"

namespace tg::sim {
namespace {

constexpr std::uint64_t kMaxSamples = 100'000'000;

// The fields of one line, separated by single spaces.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::string_view word() {
    const std::size_t end = std::min(rest_.find(' '), rest_.size());
    const std::string_view field = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    failed_ = failed_ || field.empty();
    return field;
  }
  template <class Number>
  Number number() {
    const std::string_view field = word();
    Number value = 0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    failed_ = failed_ || error != std::errc() || end != field.data() + field.size();
    return value;
  }
  std::string_view rest() { return std::exchange(rest_, {}); }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool is_whole() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

template <class Take>
Result<void> each_line(std::string_view text, Take take) {
  for (std::uint64_t number = 1;; ++number) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    Fields fields(text.substr(0, end));
    const bool is_empty = end == 0;
    text.remove_prefix(end + 1);
    if (is_empty) continue;
    // The last line of a life that was killed, closed by the next life.
    const bool was_torn = text.starts_with("S ");
    if (!take(fields) && !was_torn) {
      return fail(ErrorCode::kInvalid, fmt::format("line {} of the ledger is not valid", number));
    }
  }
}

void close_interval(std::vector<Interval>& intervals, std::int64_t time_us) {
  if (!intervals.empty() && intervals.back().end_us == 0) intervals.back().end_us = time_us;
}

class DevicesReader {
 public:
  bool take(Fields& fields) {
    const std::string_view kind = fields.word();
    if (kind == "T") return track(fields);
    if (kind == "P" || kind == "A") return sample(fields, kind == "P");
    if (kind == "D") {
      log_.outages.push_back({fields.number<std::int64_t>(), 0});
    } else if (kind == "U") {
      close_interval(log_.outages, fields.number<std::int64_t>());
    } else if (kind == "L") {
      return local(fields);
    } else if (kind == "R") {
      const auto begin_us = fields.number<std::int64_t>();
      log_.stages.push_back({begin_us, fields.number<int>()});
    } else if (kind == "C") {
      numbers(fields, {&log_.connections.connects, &log_.connections.lost});
    } else if (kind == "F") {
      FaultCounts& faults = log_.faults;
      numbers(fields, {&faults.disconnects, &faults.floods, &faults.flooded, &faults.malformed,
                       &faults.tolerated, &faults.slow_readers});
    } else if (kind == "E") {
      log_.not_sampled = fields.number<std::uint64_t>();
      log_.has_ended = true;
    } else {
      return false;
    }
    return fields.is_whole();
  }
  DevicesLog& log() { return log_; }

 private:
  bool track(Fields& fields) {
    if (fields.number<std::size_t>() != log_.tracks.size()) return false;
    TrackLog track;
    track.qos = fields.number<std::uint8_t>();
    track.device = fields.word();
    track.topic = fields.rest();
    const bool is_valid = fields.is_whole() && track.qos <= 2;
    log_.tracks.push_back(std::move(track));
    return is_valid;
  }

  bool sample(Fields& fields, bool is_made) {
    const auto track = fields.number<std::size_t>();
    const auto n = fields.number<std::uint64_t>();
    const auto time_us = fields.number<std::int64_t>();
    if (!fields.is_whole() || track >= log_.tracks.size() || n == 0 || n > kMaxSamples)
      return false;
    auto& samples = log_.tracks[track].samples;
    if (samples.size() < n) samples.resize(n);
    (is_made ? samples[n - 1].made_us : samples[n - 1].acknowledged_us) = time_us;
    return true;
  }

  bool local(Fields& fields) {
    const auto pattern = fields.number<std::size_t>();
    if (pattern >= log_.local.size()) return false;
    LocalCounts& counts = log_.local[pattern];
    numbers(fields,
            {&counts.subscriptions, &counts.received, &counts.repeated, &counts.repeated_qos2,
             &counts.missed, &counts.missed_qos0, &counts.out_of_order, &counts.misdirected});
    return fields.is_whole();
  }

  static void numbers(Fields& fields, std::initializer_list<std::uint64_t*> counts) {
    for (std::uint64_t* count : counts) *count = fields.number<std::uint64_t>();
  }

  DevicesLog log_;
};

class CloudReader {
 public:
  bool take(Fields& fields) {
    const std::string_view kind = fields.word();
    if (kind == "A") return arrival(fields);
    if (kind == "O") {
      ArrivalLog other;
      if (!key(fields, other)) return false;
      other.time_us = fields.number<std::int64_t>();
      log_.arrivals.push_back(other);
    } else if (kind == "W") {
      const auto id = fields.number<std::uint32_t>();
      ids_[id] = intern(std::string(fields.rest()));
    } else if (kind == "S") {
      ids_.clear();
      close_interval(log_.outages, fields.number<std::int64_t>());
    } else if (kind == "X") {
      log_.outages.push_back({fields.number<std::int64_t>(), 0});
    } else if (kind == "G") {
      return gap(fields);
    } else if (kind == "B") {
      fields.number<std::int64_t>();
      ++log_.undecodable;
    } else {
      return false;
    }
    return fields.is_whole();
  }
  CloudLog& log() { return log_; }

 private:
  // Words of all lives of the cloud share one table.
  std::uint32_t intern(std::string text) {
    const auto [found, is_new] =
        by_text_.try_emplace(text, static_cast<std::uint32_t>(log_.words.size()));
    if (is_new) log_.words.push_back(std::move(text));
    return found->second;
  }

  bool word(Fields& fields, std::uint32_t& index) {
    const auto id = fields.number<std::uint32_t>();
    if (fields.failed()) return false;
    const auto found = ids_.find(id);
    index = found == ids_.end() ? 0 : found->second;
    return id == 0 || found != ids_.end();
  }

  bool key(Fields& fields, ArrivalLog& arrival) {
    if (!word(fields, arrival.stream) || !word(fields, arrival.epoch)) return false;
    arrival.seq = fields.number<std::uint64_t>();
    return !fields.failed();
  }

  bool arrival(Fields& fields) {
    ArrivalLog arrival;
    if (!word(fields, arrival.topic) || !word(fields, arrival.device)) return false;
    arrival.n = fields.number<std::uint64_t>();
    if (!key(fields, arrival)) return false;
    arrival.time_us = fields.number<std::int64_t>();
    if (!fields.is_whole()) return false;
    log_.arrivals.push_back(arrival);
    return true;
  }

  bool gap(Fields& fields) {
    GapLog gap;
    if (!word(fields, gap.stream) || !word(fields, gap.epoch)) return false;
    gap.first = fields.number<std::uint64_t>();
    gap.last = fields.number<std::uint64_t>();
    if (!fields.is_whole() || gap.last < gap.first) return false;
    log_.gaps.push_back(gap);
    return true;
  }

  CloudLog log_;
  std::unordered_map<std::uint32_t, std::uint32_t> ids_;  // of the current life
  std::unordered_map<std::string, std::uint32_t> by_text_;
};

}  // namespace

Result<DevicesLog> parse_devices_log(std::string_view text) {
  DevicesReader reader;
  const auto read = each_line(text, [&reader](Fields& fields) { return reader.take(fields); });
  if (!read) return tl::unexpected(read.error());
  return std::move(reader.log());
}

Result<CloudLog> parse_cloud_log(std::string_view text) {
  CloudReader reader;
  const auto read = each_line(text, [&reader](Fields& fields) { return reader.take(fields); });
  if (!read) return tl::unexpected(read.error());
  return std::move(reader.log());
}

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) return fail(ErrorCode::kIo, fmt::format("cannot read {}", path));
  std::string text(static_cast<std::size_t>(size), '\0');
  file.seekg(0);
  file.read(text.data(), size);
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

}  // namespace tg::sim
