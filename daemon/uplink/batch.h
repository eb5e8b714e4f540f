// Records to payloads. Pure: no I/O, no clock.
//
//   json   {"gateway":"…","stream":"…","epoch":"…","first":41,"records":[ITEM,…]}
//          ITEM := {"seq":41,"topic":"…","client":"…","time":1700000000123,"clock":"synced",
//                   "payload":VALUE} | {"gap":{"first":41,"last":97,"reason":"max_size"}}
//          clock: synced | unsynced; time in ms since 1970; VALUE: see append_payload()
//   jsonl  one line an item, each closed by "\n":
//          {"gateway":"…","stream":"…","epoch":"…","seq":41,…} or {…,"gap":{…}}
//   cbor   the maps of json in CBOR, `records` an array of indefinite length; VALUE: see
//          append_cbor_payload()
//   raw    the payload of one record as it is; a gap cannot be told
//   Each may be compressed (packer.h); the limits hold for the compressed size.
//
// Limits: a batch closes at max_records or before it exceeds max_bytes (lowered to whole metering
//   units), envelope included. A record that alone exceeds max_bytes goes alone up to
//   largest_bytes; beyond that it is kTooLarge. Not compressed: at most kLargestRaw.
// Metering: the cloud bills whole metering units a publish. A batch that is sent because of its age
//   may leave out what would only begin another unit: see take_whole_units().
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/publish_limits.h"
#include "daemon/store/record.h"
#include "daemon/store/store.h"
#include "daemon/uplink/packer.h"

namespace tg::uplink {

using store::Seq;

constexpr std::size_t kLargestRaw = 1024 * 1024;  // before compression

enum class Format : std::uint8_t { kRaw, kJson, kJsonl, kCbor };

struct Envelope {
  std::string gateway;
  std::string stream;
  std::string epoch;
};

struct BatchLimits {
  std::size_t max_records = 500;
  std::size_t max_bytes = 60 * 1024;
  std::size_t metering_unit = 5 * 1024;  // 0 = bytes are billed as they are
  std::size_t largest_bytes = PublishLimits{}.payload_bytes;
};

struct Gap {
  Seq first = 0;
  Seq last = 0;
  std::string reason;
};

// What a record's publisher said about it at MQTT 5; raw only.
struct PublishProperties {
  std::string content_type;
  std::string response_topic;
  std::string correlation_data;
  std::optional<std::uint8_t> payload_format;
  std::optional<std::uint32_t> expiry_s;  // when it was received
  std::vector<std::pair<std::string, std::string>> user;
};

// One publish: the records [first, end).
struct Batch {
  std::string payload;
  Seq first = 0;
  Seq end = 0;
  std::size_t items = 0;
  std::size_t records = 0;           // items but for the gaps
  std::uint64_t metered = 0;         // bytes that are billed for the payload
  std::uint64_t metered_singly = 0;  // … if each record had gone alone, as it came
  Timestamp received;                // the first record; zero = only gaps
  std::uint32_t boot = 0;            // in which `received` was taken, raw only
  std::string topic;                 // the record's, raw only
  PublishProperties properties;
};

// The gap a stored record stands for, if it is one; false otherwise.
[[nodiscard]] bool read_gap(const store::Record& record, Gap& gap);

[[nodiscard]] PublishProperties read_properties(const store::Record& record);
// Only the message expiry of them.
[[nodiscard]] std::optional<std::uint32_t> read_expiry(const store::Record& record);

class BatchBuilder {
 public:
  enum class Added : std::uint8_t {
    kYes,
    kFull,      // it belongs into the next batch: take() this one first
    kTooLarge,  // it can never be sent
  };

  BatchBuilder(Format format, Compression compression, const Envelope& envelope,
               BatchLimits limits);

  // What the payloads carry from the next batch on; only while the builder is empty.
  void set_envelope(const Envelope& envelope);
  // Sequence numbers rise without a hole from one call to the next.
  [[nodiscard]] Added add(Seq seq, const store::Record& record);
  // Covers [first, last]; not for raw.
  [[nodiscard]] Added add_gap(const Gap& gap);

  [[nodiscard]] bool is_empty() const { return batch_.end == 0; }
  // No further record fits, by number.
  [[nodiscard]] bool is_full() const { return items_ >= (is_single_ ? 1 : limits_.max_records); }
  // At most so many bytes from the next batch on, within the limits.
  void set_max_bytes(std::size_t bytes) { max_bytes_ = std::min(bytes, limits_.max_bytes); }
  // One item in a batch from the next on, or max_records again.
  void set_single(bool single) { is_single_ = single; }
  // The record that began the last metering unit but the first; 0 = there is one unit only.
  [[nodiscard]] Seq unit_end() const { return mark_.end; }
  // Where the last metering unit that is full ends among the records; 0 = nowhere, or not worth it.
  [[nodiscard]] Seq whole_units_end() const;
  // The finished batch; the builder is empty then.
  [[nodiscard]] Batch take();
  // The batch up to whole_units_end(); what came after it must be added anew.
  [[nodiscard]] Batch take_whole_units();
  void clear();

 private:
  // A batch as it was before an item that began another metering unit.
  struct Mark {
    std::size_t size = 0;
    Seq end = 0;
    std::size_t items = 0;
    std::size_t records = 0;
    std::uint64_t metered_singly = 0;
  };

  [[nodiscard]] Added add_raw(Seq seq, const store::Record& record);
  // Appends scratch_ as an item of [first, end).
  [[nodiscard]] Added add_item(Seq first, Seq end);
  [[nodiscard]] bool pack(std::string_view head, std::string_view closing);
  void mark_unit(std::size_t size_with_item);
  void begin_item();
  [[nodiscard]] std::string head_of(Seq first) const;
  [[nodiscard]] std::string_view closing() const;
  [[nodiscard]] std::string_view content_type() const;
  [[nodiscard]] std::uint64_t metered(std::size_t bytes) const;

  Format format_;
  Compression compression_;
  BatchLimits limits_;
  std::string prefix_;  // of the payload (json, cbor) or of each line (jsonl)

  Batch batch_;
  Packer packer_;
  std::size_t items_ = 0;
  bool is_single_ = false;
  std::size_t max_bytes_;
  Mark mark_;
  std::string scratch_;
};

}  // namespace tg::uplink
