// The two ledgers of a simulation and how they are read back. Text, one event a line; a torn last
// line (a writer that was killed) is left out. Times are microseconds since 1970.
//
//   devices' ledger                              cloud's ledger (appended to by every life of it)
//   T id qos device topic    a track             S time             listening, ids start anew
//   P track n time           made, QoS 0: sent   X time             cut off
//   A track n time           PUBACK or PUBREC    W id text          a word: device, topic, …
//   R time percent           the load from now   A topic device n stream epoch seq time
//   D time                   gateway lost
//   U time                   all connected       O stream epoch seq time     no device's message
//   L pattern subscriptions received             G stream epoch first last   declared gap
//     repeated repeated_qos2                     B time             not decodable
//     missed missed_qos0
//     out_of_order misdirected
//   C connects lost          of all devices
//   F disconnects floods     faults made
//     flooded malformed
//     tolerated slow_readers
//   E not_sampled            ended
//
// stream, epoch and seq are words 0, 0 and 0 where the format carries no key (raw).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/result.h"
#include "daemon/base/unique_fd.h"
#include "tests/sim/local_check.h"
#include "tests/sim/plan.h"

namespace tg::sim {

[[nodiscard]] std::int64_t now_us();  // CLOCK_REALTIME: both programs of a run share it

// A buffered file; write errors are told once by failed().
class LedgerFile {
 public:
  static Result<LedgerFile> open(const std::string& path, bool append);
  LedgerFile() = default;  // writes nowhere
  LedgerFile(LedgerFile&&) = default;
  LedgerFile& operator=(LedgerFile&&) = default;
  ~LedgerFile() { flush(); }

  [[nodiscard]] std::string& buffer() { return buffer_; }
  void flush();
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  UniqueFd fd_;
  std::string buffer_;
  bool failed_ = false;
};

// What the fleet did to the gateway on purpose.
struct FaultCounts {
  std::uint64_t disconnects = 0;   // connections cut without a word
  std::uint64_t floods = 0;        // bursts of QoS 0 publishes that nobody wants
  std::uint64_t flooded = 0;       // publishes in them
  std::uint64_t malformed = 0;     // connections that sent what is not MQTT
  std::uint64_t tolerated = 0;     // those that the gateway did not close
  std::uint64_t slow_readers = 0;  // subscribers that do not read

  [[nodiscard]] bool any() const { return disconnects + floods + malformed + slow_readers > 0; }
};

struct ConnectionCounts {
  std::uint64_t connects = 0;
  std::uint64_t lost = 0;  // broken, and not by a fault of ours
};

class DevicesLedger {
 public:
  explicit DevicesLedger(LedgerFile file) : file_(std::move(file)) {}
  void track(const Track& track, std::string_view device);
  void published(std::uint32_t track, std::uint64_t n, std::int64_t time_us);
  void acknowledged(std::uint32_t track, std::uint64_t n, std::int64_t time_us);
  void down(std::int64_t time_us);
  void up(std::int64_t time_us);
  void stage(std::int64_t time_us, int percent);
  void local(Pattern pattern, const LocalCounts& counts);
  void connections(const ConnectionCounts& counts);
  void faults(const FaultCounts& counts);
  void ended(std::uint64_t not_sampled);
  void flush() { file_.flush(); }
  [[nodiscard]] bool failed() const { return file_.failed(); }

 private:
  LedgerFile file_;
};

// The key of a record, as json and jsonl carry it.
struct RecordKey {
  std::string_view stream;  // empty: no key
  std::string_view epoch;
  std::uint64_t seq = 0;
};

class CloudLedger {
 public:
  explicit CloudLedger(LedgerFile file) : file_(std::move(file)) {}
  void listening(std::int64_t time_us);
  void cut(std::int64_t time_us);
  void arrived(std::string_view topic, std::string_view device, std::uint64_t n,
               const RecordKey& key, std::int64_t time_us);
  void other(const RecordKey& key, std::int64_t time_us);
  void gap(const RecordKey& first, std::uint64_t last);
  void undecodable(std::int64_t time_us);
  void flush() { file_.flush(); }
  [[nodiscard]] bool failed() const { return file_.failed(); }

 private:
  std::uint32_t word(std::string_view text);

  LedgerFile file_;
  std::unordered_map<std::string, std::uint32_t> words_;
};

struct Interval {
  std::int64_t begin_us = 0;
  std::int64_t end_us = 0;
};

struct Sample {
  std::int64_t made_us = 0;  // 0: never seen in the ledger
  std::int64_t acknowledged_us = 0;
};

struct TrackLog {
  std::string device;
  std::string topic;
  std::uint8_t qos = 0;
  std::vector<Sample> samples;  // number n at [n - 1]
};

// From begin_us on the load is `percent` of the rate.
struct StageLog {
  std::int64_t begin_us = 0;
  int percent = 100;
};

struct DevicesLog {
  std::vector<TrackLog> tracks;
  std::vector<StageLog> stages;
  std::vector<Interval> outages;  // of the gateway, as the devices saw them
  LocalResults local = {};
  ConnectionCounts connections;
  FaultCounts faults;
  std::uint64_t not_sampled = 0;
  bool has_ended = false;
};

// What names a record: indices into CloudLog::words.
struct ArrivalLog {
  std::uint32_t topic = 0;
  std::uint32_t device = 0;  // 0 with n == 0: no device's message
  std::uint64_t n = 0;
  std::uint32_t stream = 0;  // 0: no key
  std::uint32_t epoch = 0;
  std::uint64_t seq = 0;
  std::int64_t time_us = 0;
};

struct GapLog {
  std::uint32_t stream = 0;
  std::uint32_t epoch = 0;
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};

struct CloudLog {
  std::vector<std::string> words = {""};
  std::vector<ArrivalLog> arrivals;  // in order
  std::vector<GapLog> gaps;
  std::vector<Interval> outages;
  std::uint64_t undecodable = 0;
};

// kInvalid when a line is not of the grammar above.
[[nodiscard]] Result<DevicesLog> parse_devices_log(std::string_view text);
[[nodiscard]] Result<CloudLog> parse_cloud_log(std::string_view text);
[[nodiscard]] Result<std::string> read_text(const std::string& path);

}  // namespace tg::sim
