#include "daemon/store/record.h"

#include "daemon/base/bytes.h"

namespace tg::store {
namespace {

constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kRetain = 0x04;
constexpr std::uint8_t kSynchronised = 0x08;

std::uint64_t as_unsigned(std::int64_t value) {
  return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::size_t str_size(std::string_view text) { return varint_size(text.size()) + text.size(); }

std::size_t body_size(const Record& r) {
  return 1 + varint_size(r.boot) + varint_size(as_unsigned(r.received.mono_ms)) +
         varint_size(as_unsigned(r.received.wall_ms)) + str_size(r.publisher) + str_size(r.topic) +
         str_size(r.payload) + r.tail.size();
}

}  // namespace

std::size_t record_size_bound(const Record& record) {
  // The times and the boot may not be set yet: their longest form counts.
  return 10 + 1 + 3 * 10 + str_size(record.publisher) + str_size(record.topic) +
         str_size(record.payload) + record.tail.size();
}

void append_record(std::string& out, const Record& record) {
  put_varint(out, body_size(record));
  auto flags = static_cast<std::uint8_t>(record.qos & kQosMask);
  if (record.retain) flags |= kRetain;
  if (record.received.quality == ClockQuality::kSynchronised) flags |= kSynchronised;
  put_u8(out, flags);
  put_varint(out, record.boot);
  put_varint(out, as_unsigned(record.received.mono_ms));
  put_varint(out, as_unsigned(record.received.wall_ms));
  put_str(out, record.publisher);
  put_str(out, record.topic);
  put_str(out, record.payload);
  out.append(record.tail);
}

bool RecordCursor::next(Record& record) {
  if (rest_.empty() || failed_) return false;
  ByteReader outer(rest_);
  const std::string_view body = outer.str();
  ByteReader reader(body);
  const std::uint8_t flags = reader.u8();
  record.qos = flags & kQosMask;
  record.retain = (flags & kRetain) != 0;
  record.received.quality =
      (flags & kSynchronised) != 0 ? ClockQuality::kSynchronised : ClockQuality::kUnsynchronised;
  const std::uint64_t boot = reader.varint();
  record.boot = static_cast<std::uint32_t>(boot);
  record.received.mono_ms = static_cast<std::int64_t>(reader.varint());
  record.received.wall_ms = static_cast<std::int64_t>(reader.varint());
  record.publisher = reader.str();
  record.topic = reader.str();
  record.payload = reader.str();
  record.tail = reader.take(reader.remaining());
  const bool is_sound = record.qos <= 2 && record.boot == boot && record.received.mono_ms >= 0 &&
                        record.received.wall_ms >= 0;
  if (outer.failed() || reader.failed() || !is_sound) {
    failed_ = true;
    return false;
  }
  rest_.remove_prefix(outer.position());
  return true;
}

void append_tag(std::string& tail, Tag tag, std::string_view value) {
  put_varint(tail, static_cast<std::uint64_t>(tag));
  put_str(tail, value);
}

bool TagCursor::next(Tag& tag, std::string_view& value) {
  if (rest_.empty() || failed_) return false;
  ByteReader reader(rest_);
  tag = static_cast<Tag>(reader.varint());
  value = reader.str();
  failed_ = reader.failed();
  if (!failed_) rest_.remove_prefix(reader.position());
  return !failed_;
}

}  // namespace tg::store
