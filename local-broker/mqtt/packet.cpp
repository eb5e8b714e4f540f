#include "local-broker/mqtt/packet.h"

namespace tg::mqtt {

const char* fault_name(Fault fault) {
  switch (fault) {
    case Fault::kNone:
      return "none";
    case Fault::kLength:
      return "remaining_length";
    case Fault::kTooLarge:
      return "too_large";
    case Fault::kTruncated:
      return "truncated";
    case Fault::kTrailing:
      return "trailing_bytes";
    case Fault::kFlags:
      return "flags";
    case Fault::kConnectFlags:
      return "connect_flags";
    case Fault::kProtocolName:
      return "protocol_name";
    case Fault::kProtocolLevel:
      return "protocol_level";
    case Fault::kPacketId:
      return "packet_id";
    case Fault::kQos:
      return "qos";
    case Fault::kUtf8:
      return "utf8";
    case Fault::kTopic:
      return "topic";
    case Fault::kFilter:
      return "filter";
    case Fault::kNoFilters:
      return "no_filters";
    case Fault::kUnexpected:
      return "unexpected";
    case Fault::kProperty:
      return "property";
    case Fault::kPropertyValue:
      return "property_value";
    case Fault::kTopicAlias:
      return "topic_alias";
    case Fault::kReceiveMaximum:
      return "receive_maximum";
  }
  return "unknown";
}

Reason reason_of(Fault fault) {
  switch (fault) {
    case Fault::kTooLarge:
      return Reason::kPacketTooLarge;
    case Fault::kTopic:
      return Reason::kTopicNameInvalid;
    case Fault::kFilter:
      return Reason::kTopicFilterInvalid;
    case Fault::kTopicAlias:
      return Reason::kTopicAliasInvalid;
    case Fault::kReceiveMaximum:
      return Reason::kReceiveMaximumExceeded;
    case Fault::kNoFilters:
    case Fault::kUnexpected:
    case Fault::kPropertyValue:
    case Fault::kPacketId:
      return Reason::kProtocolError;
    default:
      return Reason::kMalformedPacket;
  }
}

}  // namespace tg::mqtt
