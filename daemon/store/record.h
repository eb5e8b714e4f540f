// One stored message and its wire form inside a segment. Pure: no I/O, any thread.
//
//   records := record*
//   record  := size:varint body                     size = bytes of body
//   body    := flags:u8 boot:varint mono_ms:varint wall_ms:varint
//              publisher:str topic:str payload:str tail
//   flags   := bits 0-1 QoS, bit 2 retain, bit 3 clock was synchronised, bits 4-7 zero
//   tail    := { tag:varint length:varint value }*  to the end of body; unknown tags are kept
//
// The sequence number is not stored: it is the segment's first_seq plus the record's index.
// boot is an index into the store's table of boots (boot id, clock offset).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/clock.h"
#include "daemon/base/result.h"

namespace tg::store {

enum class Tag : std::uint32_t {  // of the TLV tail; numbers never change
  kContentType = 1,               // str, MQTT 5
  kUserProperty = 2,              // key:str value:str, repeated in order, MQTT 5
  kMessageExpiry = 3,             // varint seconds, MQTT 5
  kResponseTopic = 4,             // str, MQTT 5
  kCorrelationData = 5,           // bytes, MQTT 5
  kPayloadFormat = 6,             // u8, MQTT 5
  kGap = 7,  // first:varint last:varint reason:str; a record with this tag stands for lost ones
  kDeadLetter = 8,  // why a record stands in the dead-letter queue: daemon/pipeline/dead_letters.h
};

// Borrowed views: valid as long as the bytes it was decoded from (or the publisher's buffers).
struct Record {
  std::string_view publisher;  // thing, else client id
  std::string_view topic;
  std::string_view payload;
  std::string_view tail;  // encoded TLVs
  Timestamp received;
  std::uint32_t boot = 0;
  std::uint8_t qos = 0;
  bool retain = false;
};

// Upper bound of what append_record writes.
[[nodiscard]] std::size_t record_size_bound(const Record& record);
void append_record(std::string& out, const Record& record);

// Walks the records of a segment. A malformed byte ends it with failed().
class RecordCursor {
 public:
  explicit RecordCursor(std::string_view records) : rest_(records) {}
  // False at the end or on malformed bytes.
  [[nodiscard]] bool next(Record& record);
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

void append_tag(std::string& tail, Tag tag, std::string_view value);

// Walks a record's tail; unknown tags come, too. A malformed byte ends it with failed().
class TagCursor {
 public:
  explicit TagCursor(std::string_view tail) : rest_(tail) {}
  [[nodiscard]] bool next(Tag& tag, std::string_view& value);
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

// Calls found(tag, value) for each, up to a malformed one.
template <class Found>
void for_each_tag(std::string_view tail, Found&& found) {
  TagCursor cursor(tail);
  Tag tag{};
  for (std::string_view value; cursor.next(tag, value);) found(tag, value);
}

}  // namespace tg::store
