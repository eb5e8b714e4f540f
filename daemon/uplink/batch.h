// Records to payloads. Pure: no I/O, no clock.
//
//   json   {"gateway":"…","stream":"…","epoch":"…","first":41,"records":[ITEM,…]}
//          ITEM := {"seq":41,"topic":"…","client":"…","time":1700000000123,"clock":"synced",
//                   "payload":VALUE} | {"gap":{"first":41,"last":97,"reason":"max_size"}}
//          clock: synced | unsynced; time in ms since 1970; VALUE: see append_payload()
//   jsonl  one line an item, each closed by "\n":
//          {"gateway":"…","stream":"…","epoch":"…","seq":41,…} or {…,"gap":{…}}
//   raw    the payload of one record as it is; a gap cannot be told
//
// Limits: a batch closes at max_records or before it exceeds max_bytes, envelope included. A record
//   that alone exceeds max_bytes goes alone up to kLargestPayload; beyond that it is kTooLarge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/store/record.h"
#include "daemon/store/store.h"

namespace tg::uplink {

using store::Seq;

constexpr std::size_t kLargestPayload = 128 * 1024;  // AWS IoT Core

enum class Format : std::uint8_t { kRaw, kJson, kJsonl };

struct Envelope {
  std::string gateway;
  std::string stream;
  std::string epoch;
};

struct BatchLimits {
  std::size_t max_records = 500;
  std::size_t max_bytes = 60 * 1024;
};

struct Gap {
  Seq first = 0;
  Seq last = 0;
  std::string reason;
};

// One publish: the records [first, end).
struct Batch {
  std::string payload;
  Seq first = 0;
  Seq end = 0;
  std::size_t records = 0;   // gaps not counted
  std::int64_t time_ms = 0;  // of the first record; 0 = only gaps
  std::string topic;         // the record's own, raw only
  std::string content_type;
  std::vector<std::pair<std::string, std::string>> user_properties;  // the record's own, raw only
};

// The gap a stored record stands for, if it is one; false otherwise.
[[nodiscard]] bool read_gap(const store::Record& record, Gap& gap);

class BatchBuilder {
 public:
  enum class Added : std::uint8_t {
    kYes,
    kFull,      // it belongs into the next batch: take() this one first
    kTooLarge,  // it can never be sent
  };

  BatchBuilder(Format format, const Envelope& envelope, BatchLimits limits);

  // Sequence numbers rise without a hole from one call to the next.
  [[nodiscard]] Added add(Seq seq, const store::Record& record);
  // Covers [first, last]; not for raw.
  [[nodiscard]] Added add_gap(const Gap& gap);

  [[nodiscard]] bool is_empty() const { return batch_.end == 0; }
  // No further record fits, by number.
  [[nodiscard]] bool is_full() const { return items_ >= limits_.max_records; }
  // The finished batch; the builder is empty then.
  [[nodiscard]] Batch take();
  void clear();

 private:
  [[nodiscard]] Added add_raw(Seq seq, const store::Record& record);
  // Appends scratch_ as an item of [first, end).
  [[nodiscard]] Added add_item(Seq first, Seq end);

  Format format_;
  BatchLimits limits_;
  std::string prefix_;  // of the payload (json) or of each line (jsonl), up to the number or item

  Batch batch_;
  std::size_t items_ = 0;
  std::string scratch_;
};

}  // namespace tg::uplink
