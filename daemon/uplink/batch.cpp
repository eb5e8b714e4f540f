#include "daemon/uplink/batch.h"

#include <algorithm>

#include "daemon/base/assert.h"
#include "daemon/base/bytes.h"
#include "daemon/uplink/json_text.h"

namespace tg::uplink {

namespace {

constexpr std::string_view kJsonEnd = "]}";

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

// record without its braces: "seq":…,…
void append_record_fields(std::string& out, Seq seq, const store::Record& record) {
  out += "\"seq\":" + std::to_string(seq) + ',';
  append_key(out, "topic");
  append_json_string(out, record.topic);
  out += ',';
  append_key(out, "client");
  append_json_string(out, record.publisher);
  out += ",\"time\":" + std::to_string(record.received.wall_ms);
  out += record.received.quality == ClockQuality::kSynchronised ? ",\"clock\":\"synced\""
                                                                : ",\"clock\":\"unsynced\"";
  out += ",\"payload\":";
  append_payload(out, record.payload);
}

// Calls found(tag, value) for each TLV.
template <class Found>
void walk_tail(std::string_view tail, Found found) {
  ByteReader reader(tail);
  while (reader.remaining() > 0) {
    const auto tag = static_cast<store::Tag>(reader.varint());
    const std::string_view value = reader.str();
    if (reader.failed()) return;
    found(tag, value);
  }
}

void read_properties(const store::Record& record, Batch& batch) {
  walk_tail(record.tail, [&batch](store::Tag tag, std::string_view value) {
    if (tag == store::Tag::kContentType) batch.content_type = value;
    if (tag != store::Tag::kUserProperty) return;
    ByteReader pair(value);
    const std::string_view name = pair.str();
    const std::string_view text = pair.str();
    if (!pair.failed()) batch.user_properties.emplace_back(name, text);
  });
}

}  // namespace

bool read_gap(const store::Record& record, Gap& gap) {
  bool is_gap = false;
  walk_tail(record.tail, [&](store::Tag tag, std::string_view value) {
    if (tag != store::Tag::kGap) return;
    ByteReader reader(value);
    gap.first = reader.varint();
    gap.last = reader.varint();
    gap.reason = reader.str();
    is_gap = !reader.failed();
  });
  return is_gap;
}

BatchBuilder::BatchBuilder(Format format, const Envelope& envelope, BatchLimits limits)
    : format_(format),
      limits_{std::max<std::size_t>(limits.max_records, 1),
              std::min(limits.max_bytes, kLargestPayload)} {
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
  const bool is_gap = !record.tail.empty() && read_gap(record, gap);
  scratch_ = format_ == Format::kJson ? "{" : prefix_;
  if (is_gap) {
    append_gap(scratch_, gap);
  } else {
    append_record_fields(scratch_, seq, record);
  }
  const Added added = add_item(seq, seq + 1);
  if (added != Added::kYes || is_gap) return added;
  if (batch_.records++ == 0) batch_.time_ms = record.received.wall_ms;
  return added;
}

BatchBuilder::Added BatchBuilder::add_gap(const Gap& gap) {
  TG_ASSERT(format_ != Format::kRaw);
  if (is_full()) return Added::kFull;
  scratch_ = format_ == Format::kJson ? "{" : prefix_;
  append_gap(scratch_, gap);
  return add_item(gap.first, gap.last + 1);
}

BatchBuilder::Added BatchBuilder::add_raw(Seq seq, const store::Record& record) {
  if (!is_empty()) return Added::kFull;
  if (record.payload.size() > kLargestPayload) return Added::kTooLarge;
  batch_.payload = record.payload;
  batch_.topic = record.topic;
  batch_.first = seq;
  batch_.end = seq + 1;
  batch_.records = 1;
  batch_.time_ms = record.received.wall_ms;
  read_properties(record, batch_);
  items_ = limits_.max_records;
  return Added::kYes;
}

BatchBuilder::Added BatchBuilder::add_item(Seq first, Seq end) {
  scratch_ += format_ == Format::kJson ? "}" : "}\n";
  std::string head;  // what stands before the item
  if (format_ == Format::kJson) {
    head = is_empty() ? prefix_ + std::to_string(first) + ",\"records\":[" : ",";
  }
  const std::size_t closing = format_ == Format::kJson ? kJsonEnd.size() : 0;
  const std::size_t size = batch_.payload.size() + head.size() + scratch_.size() + closing;
  if (size > limits_.max_bytes && !is_empty()) return Added::kFull;
  if (size > kLargestPayload) return Added::kTooLarge;
  batch_.payload += head;
  batch_.payload += scratch_;
  if (is_empty()) batch_.first = first;
  batch_.end = end;
  ++items_;
  return Added::kYes;
}

Batch BatchBuilder::take() {
  TG_ASSERT(!is_empty());
  if (format_ == Format::kJson) {
    batch_.payload += kJsonEnd;
    batch_.content_type = "application/json";
  } else if (format_ == Format::kJsonl) {
    batch_.content_type = "application/x-ndjson";
  }
  Batch batch = std::move(batch_);
  clear();
  return batch;
}

void BatchBuilder::clear() {
  batch_ = Batch{};
  items_ = 0;
}

}  // namespace tg::uplink
