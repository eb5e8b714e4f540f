#include "local-broker/mqtt/packet.h"

#include <algorithm>
#include <iterator>

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
    case Fault::kReason:
      return "reason";
    case Fault::kWebSocket:
      return "websocket";
    case Fault::kNoMemory:
      return "no_memory";
  }
  return "unknown";
}

bool is_reason_of(PacketType type, Reason reason) {
  // [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1], [MQTT-3.14.2-1]
  static constexpr std::uint8_t kOfPuback[] = {0x00, 0x10, 0x80, 0x83, 0x87,
                                               0x90, 0x91, 0x97, 0x99};
  static constexpr std::uint8_t kOfPubrel[] = {0x00, 0x92};
  static constexpr std::uint8_t kOfDisconnect[] = {0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90,
                                                   0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99};
  const auto has = [reason](const auto& codes) {
    return std::find(std::begin(codes), std::end(codes), static_cast<std::uint8_t>(reason)) !=
           std::end(codes);
  };
  switch (type) {
    case PacketType::kPuback:
    case PacketType::kPubrec:
      return has(kOfPuback);
    case PacketType::kPubrel:
    case PacketType::kPubcomp:
      return has(kOfPubrel);
    case PacketType::kDisconnect:
      return has(kOfDisconnect);
    default:
      return false;
  }
}

std::string_view reason_text(Reason reason) {
  switch (reason) {
    case Reason::kNotAuthorised:
      return "not allowed";
    case Reason::kQuotaExceeded:
      return "there is no room for it";
    case Reason::kTopicNameInvalid:
    case Reason::kTopicFilterInvalid:
      return "more topic levels than are allowed";
    case Reason::kPacketIdNotFound:
      return "no such packet id is in use";
    default:
      return "it cannot be done";
  }
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
    case Fault::kNoMemory:
      return Reason::kQuotaExceeded;
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
