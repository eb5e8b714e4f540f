#include "daemon/uplink/batch.h"

#include <algorithm>

#include "daemon/base/assert.h"
#include "daemon/base/bytes.h"
#include "daemon/uplink/cbor.h"
#include "daemon/uplink/json_text.h"

namespace tg::uplink {

namespace {

constexpr std::string_view kJsonEnd = "]}";
constexpr std::string_view kCborEnd(&kCborBreak, 1);
// A last unit that is filled up to here is not worth waiting for: 3 of 4 parts.
constexpr std::size_t kWellFilled = 3;
constexpr std::size_t kParts = 4;

void append_key(std::string& out, std::string_view key) {
  out += '"';
  out += key;
  out += "\":";
}

// gap without its braces: "gap":{…}
void append_gap(std::string& out, const Gap& gap) {
  out += "\"gap\":{\"first\":" + std::to_string(gap.first) +
         ",\"last\":" + std::to_string(gap.last) + ",\"reason\":";
  append_json_string(out, gap.reason);
  out += '}';
}

const char* clock_text(const store::Record& record) {
  return record.received.quality == ClockQuality::kSynchronised ? "synced" : "unsynced";
}

// record without its braces: "seq":…,…
void append_record_fields(std::string& out, Seq seq, const store::Record& record) {
  out += "\"seq\":" + std::to_string(seq) + ',';
  append_key(out, "topic");
  append_json_string(out, record.topic);
  out += ',';
  append_key(out, "client");
  append_json_string(out, record.publisher);
  out += ",\"time\":" + std::to_string(record.received.wall_ms);
  out += ",\"clock\":\"";
  out += clock_text(record);
  out += "\",\"payload\":";
  append_payload(out, record.payload);
}

void append_gap_cbor(std::string& out, const Gap& gap) {
  append_cbor_text(out, "gap");
  append_cbor_map(out, 3);
  append_cbor_text(out, "first");
  append_cbor_unsigned(out, gap.first);
  append_cbor_text(out, "last");
  append_cbor_unsigned(out, gap.last);
  append_cbor_text(out, "reason");
  append_cbor_text(out, gap.reason);
}

void append_gap_as(Format format, std::string& out, const Gap& gap) {
  if (format == Format::kCbor) {
    append_gap_cbor(out, gap);
  } else {
    append_gap(out, gap);
  }
}

void append_record_cbor(std::string& out, Seq seq, const store::Record& record) {
  append_cbor_text(out, "seq");
  append_cbor_unsigned(out, seq);
  append_cbor_text(out, "topic");
  append_cbor_text(out, record.topic);
  append_cbor_text(out, "client");
  append_cbor_text(out, record.publisher);
  append_cbor_text(out, "time");
  append_cbor_integer(out, record.received.wall_ms);
  append_cbor_text(out, "clock");
  append_cbor_text(out, clock_text(record));
  append_cbor_text(out, "payload");
  append_cbor_payload(out, record.payload);
}

void read_property(store::Tag tag, std::string_view value, PublishProperties& out) {
  ByteReader reader(value);
  switch (tag) {
    case store::Tag::kContentType:
      out.content_type = value;
      return;
    case store::Tag::kResponseTopic:
      out.response_topic = value;
      return;
    case store::Tag::kCorrelationData:
      out.correlation_data = value;
      return;
    case store::Tag::kPayloadFormat:
      if (value.size() == 1) out.payload_format = reader.u8();
      return;
    case store::Tag::kMessageExpiry: {
      const auto seconds = reader.varint();
      if (!reader.failed()) out.expiry_s = static_cast<std::uint32_t>(seconds);
      return;
    }
    case store::Tag::kUserProperty: {
      const std::string_view name = reader.str();
      const std::string_view text = reader.str();
      if (!reader.failed()) out.user.emplace_back(name, text);
      return;
    }
    default:
      return;
  }
}

BatchLimits whole(BatchLimits limits) {
  limits.max_records = std::max<std::size_t>(limits.max_records, 1);
  limits.max_bytes = std::min(limits.max_bytes, limits.largest_bytes);
  if (limits.metering_unit > 0 && limits.max_bytes > limits.metering_unit) {
    limits.max_bytes -= limits.max_bytes % limits.metering_unit;
  }
  return limits;
}

}  // namespace

bool read_gap(const store::Record& record, Gap& gap) {
  bool is_gap = false;
  store::for_each_tag(record.tail, [&](store::Tag tag, std::string_view value) {
    if (tag != store::Tag::kGap) return;
    ByteReader reader(value);
    gap.first = reader.varint();
    gap.last = reader.varint();
    gap.reason = reader.str();
    is_gap = !reader.failed();
  });
  return is_gap;
}

PublishProperties read_properties(const store::Record& record) {
  PublishProperties properties;
  store::for_each_tag(record.tail, [&properties](store::Tag tag, std::string_view value) {
    read_property(tag, value, properties);
  });
  return properties;
}

std::optional<std::uint32_t> read_expiry(const store::Record& record) {
  PublishProperties expiry;
  store::for_each_tag(record.tail, [&expiry](store::Tag tag, std::string_view value) {
    if (tag == store::Tag::kMessageExpiry) read_property(tag, value, expiry);
  });
  return expiry.expiry_s;
}

BatchBuilder::BatchBuilder(Format format, Compression compression, const Envelope& envelope,
                           BatchLimits limits)
    : format_(format),
      compression_(compression),
      limits_(whole(limits)),
      packer_(compression),
      max_bytes_(limits_.max_bytes) {
  set_envelope(envelope);
}

void BatchBuilder::set_envelope(const Envelope& envelope) {
  prefix_.clear();
  if (format_ == Format::kCbor) {
    append_cbor_map(prefix_, 5);
    for (const auto& [key, value] :
         {std::pair{"gateway", &envelope.gateway}, std::pair{"stream", &envelope.stream},
          std::pair{"epoch", &envelope.epoch}}) {
      append_cbor_text(prefix_, key);
      append_cbor_text(prefix_, *value);
    }
    append_cbor_text(prefix_, "first");
    return;
  }
  prefix_ = "{\"gateway\":";
  append_json_string(prefix_, envelope.gateway);
  prefix_ += ",\"stream\":";
  append_json_string(prefix_, envelope.stream);
  prefix_ += ",\"epoch\":";
  append_json_string(prefix_, envelope.epoch);
  prefix_ += ',';
  if (format_ == Format::kJson) append_key(prefix_, "first");
}

BatchBuilder::Added BatchBuilder::add(Seq seq, const store::Record& record) {
  if (is_full()) return Added::kFull;
  if (format_ == Format::kRaw) return add_raw(seq, record);
  Gap gap;
  if (!record.tail.empty() && read_gap(record, gap)) {
    begin_item();
    append_gap_as(format_, scratch_, gap);
    return add_item(seq, seq + 1);
  }
  if (format_ == Format::kCbor) {
    scratch_.clear();
    append_cbor_map(scratch_, 6);
    append_record_cbor(scratch_, seq, record);
  } else {
    begin_item();
    append_record_fields(scratch_, seq, record);
  }
  const Added added = add_item(seq, seq + 1);
  if (added != Added::kYes) return added;
  if (batch_.records++ == 0) batch_.received = record.received;
  batch_.metered_singly += metered(record.payload.size());
  return added;
}

BatchBuilder::Added BatchBuilder::add_gap(const Gap& gap) {
  TG_ASSERT(format_ != Format::kRaw);
  if (is_full()) return Added::kFull;
  begin_item();
  append_gap_as(format_, scratch_, gap);
  return add_item(gap.first, gap.last + 1);
}

// The opening of an item with one field (a gap), or of any in json and jsonl.
void BatchBuilder::begin_item() {
  scratch_ = format_ == Format::kJsonl ? prefix_ : format_ == Format::kJson ? "{" : "";
  if (format_ == Format::kCbor) append_cbor_map(scratch_, 1);
}

BatchBuilder::Added BatchBuilder::add_raw(Seq seq, const store::Record& record) {
  if (!is_empty()) return Added::kFull;
  scratch_ = record.payload;
  if (!pack({}, {})) return Added::kTooLarge;
  batch_.topic = record.topic;
  batch_.first = seq;
  batch_.end = seq + 1;
  batch_.records = 1;
  batch_.received = record.received;
  batch_.boot = record.boot;
  batch_.metered_singly = metered(record.payload.size());
  batch_.properties = read_properties(record);
  items_ = limits_.max_records;
  return Added::kYes;
}

std::string BatchBuilder::head_of(Seq first) const {
  if (format_ == Format::kJsonl) return {};
  if (!is_empty()) return format_ == Format::kJson ? "," : "";
  std::string head = prefix_;
  if (format_ == Format::kJson) return head + std::to_string(first) + ",\"records\":[";
  append_cbor_unsigned(head, first);
  append_cbor_text(head, "records");
  return head + kCborOpenArray;
}

std::string_view BatchBuilder::closing() const {
  if (format_ == Format::kJson) return kJsonEnd;
  return format_ == Format::kCbor ? kCborEnd : std::string_view();
}

BatchBuilder::Added BatchBuilder::add_item(Seq first, Seq end) {
  if (format_ == Format::kJson) scratch_ += '}';
  if (format_ == Format::kJsonl) scratch_ += "}\n";
  const std::string head = head_of(first);
  const std::size_t more = head.size() + scratch_.size() + closing().size();
  if (!is_empty() && (!packer_.fits(more, max_bytes_) || packer_.raw_size() + more > kLargestRaw)) {
    return Added::kFull;
  }
  if (is_empty()) {
    if (!pack(head, closing())) return Added::kTooLarge;
    batch_.first = first;
  } else {
    mark_unit(packer_.raw_size() + more);
    packer_.append(head);
    packer_.append(scratch_);
  }
  batch_.end = end;
  ++items_;
  return Added::kYes;
}

// The first item; false and nothing of it when no publish can hold it.
bool BatchBuilder::pack(std::string_view head, std::string_view closing) {
  if (head.size() + scratch_.size() + closing.size() > kLargestRaw) return false;
  if (compression_ == Compression::kNone &&
      !packer_.fits(head.size() + scratch_.size() + closing.size(), limits_.largest_bytes)) {
    return false;
  }
  packer_.append(head);
  packer_.append(scratch_);
  if (packer_.fits(closing.size(), limits_.largest_bytes)) return true;
  packer_.clear();
  return false;
}

void BatchBuilder::mark_unit(std::size_t size_with_item) {
  if (limits_.metering_unit == 0 || compression_ != Compression::kNone) return;
  const std::size_t size = packer_.raw_size() + closing().size();
  if (metered(size_with_item) == metered(size)) return;
  mark_ = {packer_.raw_size(), batch_.end, items_, batch_.records, batch_.metered_singly};
}

Seq BatchBuilder::whole_units_end() const {
  if (mark_.end == 0) return 0;
  const std::size_t in_last_unit =
      (packer_.raw_size() + closing().size() - 1) % limits_.metering_unit + 1;
  const bool well_filled = in_last_unit * kParts >= limits_.metering_unit * kWellFilled;
  return well_filled ? 0 : mark_.end;
}

std::uint64_t BatchBuilder::metered(std::size_t bytes) const {
  const std::size_t unit = limits_.metering_unit;
  if (unit == 0) return bytes;
  return std::max<std::uint64_t>((bytes + unit - 1) / unit, 1) * unit;
}

std::string_view BatchBuilder::content_type() const {
  switch (format_) {
    case Format::kJson:
      return "application/json";
    case Format::kJsonl:
      return "application/x-ndjson";
    case Format::kCbor:
      return "application/cbor";
    case Format::kRaw:
      return batch_.properties.content_type;
  }
  return {};
}

Batch BatchBuilder::take() {
  TG_ASSERT(!is_empty());
  packer_.append(closing());
  batch_.properties.content_type = content_type();
  batch_.payload = packer_.finish();
  batch_.metered = metered(batch_.payload.size());
  batch_.items = format_ == Format::kRaw ? 1 : items_;
  Batch batch = std::move(batch_);
  clear();
  return batch;
}

Batch BatchBuilder::take_whole_units() {
  TG_ASSERT(mark_.end != 0);
  batch_.end = mark_.end;
  items_ = mark_.items;
  batch_.records = mark_.records;
  batch_.metered_singly = mark_.metered_singly;
  std::string payload = packer_.finish();
  packer_.append(std::string_view(payload).substr(0, mark_.size));
  return take();
}

void BatchBuilder::clear() {
  batch_ = Batch{};
  items_ = 0;
  mark_ = {};
  packer_.clear();
}

}  // namespace tg::uplink
