#include "daemon/app/record_tail.h"

#include "daemon/base/bytes.h"
#include "daemon/store/record.h"
#include "local-broker/mqtt/properties.h"

namespace tg::app {

using mqtt::Property;
using store::Tag;

void append_properties(std::string& tail, const broker::Publication& publication) {
  std::string value;
  if (publication.expiry_s) {
    put_varint(value, *publication.expiry_s);
    store::append_tag(tail, Tag::kMessageExpiry, value);
  }
  mqtt::PropertyCursor cursor(publication.properties);
  for (mqtt::PropertyCursor::Item item; cursor.next(item);) {
    value.clear();
    switch (item.property) {
      case Property::kContentType:
        store::append_tag(tail, Tag::kContentType, item.text);
        break;
      case Property::kResponseTopic:
        store::append_tag(tail, Tag::kResponseTopic, item.text);
        break;
      case Property::kCorrelationData:
        store::append_tag(tail, Tag::kCorrelationData, item.text);
        break;
      case Property::kPayloadFormat:
        put_u8(value, static_cast<std::uint8_t>(item.number));
        store::append_tag(tail, Tag::kPayloadFormat, value);
        break;
      case Property::kUserProperty:
        put_str(value, item.name);
        put_str(value, item.text);
        store::append_tag(tail, Tag::kUserProperty, value);
        break;
      default:
        break;
    }
  }
}

}  // namespace tg::app
