// What stands in a row of the database: records, their tags, compressed segments. What can be read
// is written back as the same records; a segment's frame that is no frame is an error.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "daemon/base/bytes.h"
#include "daemon/pipeline/dead_letters.h"
#include "daemon/store/record.h"
#include "daemon/store/segment_codec.h"

namespace {

using tg::store::Record;

constexpr std::uint64_t kZstd = 1;  // segment_codec.h

void require(bool holds) {
  if (!holds) std::abort();
}

void walk_tail(std::string_view tail) {
  std::size_t tags = 0;
  tg::store::for_each_tag(tail, [&tags](tg::store::Tag, std::string_view) { ++tags; });
  require(tags <= tail.size());
  Record record;
  record.tail = tail;
  static_cast<void>(tg::pipeline::read_cause(record));
  const std::string rest = tg::pipeline::tail_without_cause(tail);
  record.tail = rest;
  require(!tg::pipeline::read_cause(record));
}

void write_back(const Record& record) {
  std::string bytes;
  tg::store::append_record(bytes, record);
  require(bytes.size() <= tg::store::record_size_bound(record));
  tg::store::RecordCursor cursor(bytes);
  Record again;
  require(cursor.next(again));
  require(again.publisher == record.publisher && again.topic == record.topic &&
          again.payload == record.payload && again.tail == record.tail && again.qos == record.qos &&
          again.retain == record.retain && again.boot == record.boot &&
          again.received.wall_ms == record.received.wall_ms);
  require(!cursor.next(again) && !cursor.failed());
}

void compress(std::string_view bytes) {
  tg::store::SegmentCodec codec({});
  const tg::store::SegmentHead head{1, 1, 1};
  const auto encoded = codec.encode(bytes, true, head);
  require(encoded.has_value());
  const auto decoded = codec.decode(encoded->codec, encoded->crc, encoded->data, head);
  require(decoded && *decoded == bytes);
  static_cast<void>(codec.decode(kZstd, tg::crc32c(bytes), bytes, head));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  tg::store::RecordCursor cursor(bytes);
  for (Record record; cursor.next(record);) {
    walk_tail(record.tail);
    write_back(record);
  }
  walk_tail(bytes);
  compress(bytes);
  return 0;
}
