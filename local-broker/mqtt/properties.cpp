#include "local-broker/mqtt/properties.h"

#include "local-broker/mqtt/topic.h"
#include "local-broker/mqtt/utf8.h"
#include "local-broker/mqtt/wire.h"

namespace tg::mqtt {
namespace {

enum class Kind : std::uint8_t { kNone, kU8, kU16, kU32, kVariable, kText, kBytes, kPair };

Kind kind_of(Property property) {
  switch (property) {
    case Property::kPayloadFormat:
    case Property::kRequestProblemInformation:
    case Property::kRequestResponseInformation:
    case Property::kMaximumQos:
    case Property::kRetainAvailable:
    case Property::kWildcardAvailable:
    case Property::kSubscriptionIdAvailable:
    case Property::kSharedAvailable:
      return Kind::kU8;
    case Property::kServerKeepAlive:
    case Property::kReceiveMaximum:
    case Property::kTopicAliasMaximum:
    case Property::kTopicAlias:
      return Kind::kU16;
    case Property::kMessageExpiry:
    case Property::kSessionExpiry:
    case Property::kWillDelay:
    case Property::kMaximumPacketSize:
      return Kind::kU32;
    case Property::kSubscriptionId:
      return Kind::kVariable;
    case Property::kContentType:
    case Property::kResponseTopic:
    case Property::kAssignedClientId:
    case Property::kAuthenticationMethod:
    case Property::kResponseInformation:
    case Property::kServerReference:
    case Property::kReasonString:
      return Kind::kText;
    case Property::kCorrelationData:
    case Property::kAuthenticationData:
      return Kind::kBytes;
    case Property::kUserProperty:
      return Kind::kPair;
  }
  return Kind::kNone;
}

struct Value {
  std::uint32_t number = 0;
  std::string_view name;
  std::string_view text;
};

bool read_value(WireReader& reader, Kind kind, Value& value) {
  switch (kind) {
    case Kind::kNone:
      return false;
    case Kind::kU8:
      value.number = reader.u8();
      break;
    case Kind::kU16:
      value.number = reader.u16();
      break;
    case Kind::kU32:
      value.number = reader.u32();
      break;
    case Kind::kVariable:
      value.number = reader.variable_integer();
      break;
    case Kind::kBytes:
      value.text = reader.string();
      break;
    case Kind::kText:
      value.text = reader.string();
      return !reader.failed() && is_valid_utf8(value.text);
    case Kind::kPair: {
      value.name = reader.string();
      value.text = reader.string();
      return !reader.failed() && is_valid_utf8(value.name) && is_valid_utf8(value.text);
    }
  }
  return !reader.failed();
}

constexpr std::uint64_t bit(Property property) { return 1ULL << static_cast<unsigned>(property); }

// What may be in the list of which packet.
constexpr std::uint64_t kOfPublish = bit(Property::kPayloadFormat) | bit(Property::kMessageExpiry) |
                                     bit(Property::kContentType) | bit(Property::kResponseTopic) |
                                     bit(Property::kCorrelationData) | bit(Property::kTopicAlias) |
                                     bit(Property::kSubscriptionId) | bit(Property::kUserProperty);
constexpr std::uint64_t kOfWill =
    (kOfPublish & ~bit(Property::kTopicAlias) & ~bit(Property::kSubscriptionId)) |
    bit(Property::kWillDelay);
constexpr std::uint64_t kOfConnect =
    bit(Property::kSessionExpiry) | bit(Property::kReceiveMaximum) |
    bit(Property::kMaximumPacketSize) | bit(Property::kTopicAliasMaximum) |
    bit(Property::kRequestResponseInformation) | bit(Property::kRequestProblemInformation) |
    bit(Property::kUserProperty) | bit(Property::kAuthenticationMethod) |
    bit(Property::kAuthenticationData);
constexpr std::uint64_t kOfSubscribe =
    bit(Property::kSubscriptionId) | bit(Property::kUserProperty);
constexpr std::uint64_t kOfUnsubscribe = bit(Property::kUserProperty);
constexpr std::uint64_t kOfAck = bit(Property::kReasonString) | bit(Property::kUserProperty);
constexpr std::uint64_t kOfDisconnect = kOfAck | bit(Property::kSessionExpiry);

// Calls visit(Property, Value) → Fault for each property of a list in which only `allowed` ones may
// stand, each once except user properties.
template <class Visit>
Fault for_each(std::string_view bytes, std::uint64_t allowed, Visit&& visit) {
  WireReader reader(bytes);
  std::uint64_t seen = 0;
  while (!reader.at_end()) {
    const std::uint32_t identifier = reader.variable_integer();
    if (reader.failed() || identifier >= 64 || (allowed >> identifier & 1U) == 0) {
      return Fault::kProperty;
    }
    const auto property = static_cast<Property>(identifier);
    Value value;
    if (!read_value(reader, kind_of(property), value)) return Fault::kProperty;
    if ((seen & bit(property)) != 0 && property != Property::kUserProperty) {
      return Fault::kPropertyValue;
    }
    seen |= bit(property);
    if (const Fault fault = visit(property, value); fault != Fault::kNone) return fault;
  }
  return Fault::kNone;
}

Fault flag(const Value& value) { return value.number <= 1 ? Fault::kNone : Fault::kPropertyValue; }
Fault not_zero(const Value& value) {
  return value.number != 0 ? Fault::kNone : Fault::kPropertyValue;
}

Fault read_message_property(Property property, const Value& value, PublishProperties& out) {
  switch (property) {
    case Property::kPayloadFormat:
      return flag(value);
    case Property::kMessageExpiry:
      out.expiry_s = value.number;
      out.verbatim = false;
      return Fault::kNone;
    case Property::kTopicAlias:
      out.topic_alias = static_cast<std::uint16_t>(value.number);
      out.verbatim = false;
      return Fault::kNone;
    case Property::kWillDelay:
      out.will_delay_s = value.number;
      out.verbatim = false;
      return Fault::kNone;
    case Property::kResponseTopic:
      return is_valid_topic_name(value.text) ? Fault::kNone : Fault::kTopic;  // [MQTT-3.3.2-14]
    case Property::kSubscriptionId:
      return Fault::kPropertyValue;  // [MQTT-3.3.4-6]
    default:
      return Fault::kNone;
  }
}

void put_id(std::string& out, Property property) { out.push_back(static_cast<char>(property)); }

}  // namespace

Fault read_connect_properties(std::string_view bytes, ConnectProperties& out) {
  bool has_data = false;
  const Fault fault = for_each(bytes, kOfConnect, [&](Property property, const Value& value) {
    switch (property) {
      case Property::kSessionExpiry:
        out.session_expiry_s = value.number;
        return Fault::kNone;
      case Property::kReceiveMaximum:
        out.receive_maximum = static_cast<std::uint16_t>(value.number);
        return not_zero(value);
      case Property::kMaximumPacketSize:
        out.max_packet_size = value.number;
        return not_zero(value);
      case Property::kTopicAliasMaximum:
        out.topic_alias_maximum = static_cast<std::uint16_t>(value.number);
        return Fault::kNone;
      case Property::kRequestProblemInformation:
        out.problem_information = value.number != 0;
        return flag(value);
      case Property::kRequestResponseInformation:
        return flag(value);
      case Property::kAuthenticationMethod:
        out.has_authentication = true;
        return Fault::kNone;
      case Property::kAuthenticationData:
        has_data = true;
        return Fault::kNone;
      default:
        return Fault::kNone;
    }
  });
  if (fault != Fault::kNone) return fault;
  return has_data && !out.has_authentication ? Fault::kPropertyValue : Fault::kNone;
}

Fault read_publish_properties(std::string_view bytes, PublishProperties& out) {
  return for_each(bytes, kOfPublish, [&out](Property property, const Value& value) {
    return read_message_property(property, value, out);
  });
}

Fault read_will_properties(std::string_view bytes, PublishProperties& out) {
  return for_each(bytes, kOfWill, [&out](Property property, const Value& value) {
    return read_message_property(property, value, out);
  });
}

Fault read_subscribe_properties(std::string_view bytes, std::uint32_t& identifier) {
  return for_each(bytes, kOfSubscribe, [&identifier](Property property, const Value& value) {
    if (property != Property::kSubscriptionId) return Fault::kNone;
    identifier = value.number;
    return not_zero(value);
  });
}

Fault read_disconnect_properties(std::string_view bytes,
                                 std::optional<std::uint32_t>& session_expiry_s) {
  return for_each(bytes, kOfDisconnect, [&](Property property, const Value& value) {
    if (property == Property::kSessionExpiry) session_expiry_s = value.number;
    return Fault::kNone;
  });
}

Fault check_unsubscribe_properties(std::string_view bytes) {
  return for_each(bytes, kOfUnsubscribe, [](Property, const Value&) { return Fault::kNone; });
}

Fault check_ack_properties(std::string_view bytes) {
  return for_each(bytes, kOfAck, [](Property, const Value&) { return Fault::kNone; });
}

bool PropertyCursor::next(Item& item) {
  if (rest_.empty()) return false;
  WireReader reader(rest_);
  item.property = static_cast<Property>(reader.variable_integer());
  Value value;
  if (!read_value(reader, kind_of(item.property), value)) return false;
  item.number = value.number;
  item.name = value.name;
  item.text = value.text;
  item.bytes = rest_.substr(0, rest_.size() - reader.remaining().size());
  rest_ = reader.remaining();
  return true;
}

void append_passed_on(std::string& out, std::string_view bytes) {
  PropertyCursor cursor(bytes);
  for (PropertyCursor::Item item; cursor.next(item);) {
    if (item.property != Property::kTopicAlias && item.property != Property::kMessageExpiry &&
        item.property != Property::kWillDelay) {
      out.append(item.bytes);
    }
  }
}

void put_property(std::string& out, Property property, std::uint8_t value) {
  put_id(out, property);
  out.push_back(static_cast<char>(value));
}

void put_property(std::string& out, Property property, std::uint16_t value) {
  put_id(out, property);
  put_u16(out, value);
}

void put_property(std::string& out, Property property, std::uint32_t value) {
  put_id(out, property);
  put_u16(out, value >> 16U);
  put_u16(out, value & 0xFFFFU);
}

void put_property(std::string& out, Property property, std::string_view value) {
  put_id(out, property);
  put_string(out, value);
}

void put_subscription_id(std::string& out, std::uint32_t identifier) {
  put_id(out, Property::kSubscriptionId);
  put_variable_integer(out, identifier);
}

}  // namespace tg::mqtt
