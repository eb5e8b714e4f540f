#include "local-broker/mqtt/decode.h"

#include "local-broker/mqtt/properties.h"
#include "local-broker/mqtt/topic.h"
#include "local-broker/mqtt/utf8.h"
#include "local-broker/mqtt/wire.h"

namespace tg::mqtt {
namespace {

constexpr std::uint8_t kReservedFlag = 0x01;
constexpr std::uint8_t kCleanFlag = 0x02;
constexpr std::uint8_t kWillFlag = 0x04;
constexpr std::uint8_t kWillRetainFlag = 0x20;
constexpr std::uint8_t kPasswordFlag = 0x40;
constexpr std::uint8_t kUsernameFlag = 0x80;

Fault end_of(const WireReader& reader) {
  if (reader.failed()) return Fault::kTruncated;
  return reader.at_end() ? Fault::kNone : Fault::kTrailing;
}

// The property bytes of a version 5 packet; nothing before version 5.
std::string_view read_properties(Version version, WireReader& reader) {
  if (version != Version::k5) return {};
  const std::uint32_t length = reader.variable_integer();
  return reader.bytes(length);
}

// What an acknowledgement of version 5 may have behind its packet id.
Fault read_reason(PacketType type, WireReader& reader, Ack& ack) {
  std::string_view properties;
  ack.reason = static_cast<Reason>(reader.u8());
  if (!reader.at_end()) properties = read_properties(Version::k5, reader);
  if (const Fault fault = end_of(reader); fault != Fault::kNone) return fault;
  if (const Fault fault = check_ack_properties(properties); fault != Fault::kNone) return fault;
  return is_reason_of(type, ack.reason) ? Fault::kNone : Fault::kReason;
}

Fault check_connect_flags(std::uint8_t flags, Version version) {
  if ((flags & kReservedFlag) != 0) return Fault::kConnectFlags;  // [MQTT-3.1.2-3]
  const unsigned will_qos = flags >> 3U & 3U;
  const bool has_will = (flags & kWillFlag) != 0;
  if (will_qos == 3) return Fault::kConnectFlags;  // [MQTT-3.1.2-14]
  if (!has_will && (will_qos != 0 || (flags & kWillRetainFlag) != 0)) {
    return Fault::kConnectFlags;  // [MQTT-3.1.2-13, -15]
  }
  const bool lone_password = (flags & kPasswordFlag) != 0 && (flags & kUsernameFlag) == 0;
  if (lone_password && version != Version::k5) return Fault::kConnectFlags;  // [MQTT-3.1.2-22]
  return Fault::kNone;
}

Fault read_protocol(WireReader& reader, Version& version) {
  const auto name = reader.string();
  const std::uint8_t level = reader.u8();
  if (reader.failed()) return Fault::kTruncated;
  if (name == "MQIsdp") {
    version = Version::k31;
    return level == 3 ? Fault::kNone : Fault::kProtocolLevel;
  }
  if (name != "MQTT") return Fault::kProtocolName;
  if (level != 4 && level != 5) return Fault::kProtocolLevel;
  version = static_cast<Version>(level);
  return Fault::kNone;
}

void read_will(WireReader& reader, std::uint8_t flags, Connect& connect) {
  connect.has_will = (flags & kWillFlag) != 0;
  if (!connect.has_will) return;
  connect.will.qos = flags >> 3U & 3U;
  connect.will.retain = (flags & kWillRetainFlag) != 0;
  connect.will.properties = read_properties(connect.version, reader);
  connect.will.topic = reader.string();
  connect.will.payload = reader.string();
}

// "$share/group/filter", by [MQTT-4.8.2-1] and [MQTT-4.8.2-2].
Fault take_group(FilterRequest& request) {
  constexpr std::string_view kPrefix = "$share/";
  if (!request.filter.starts_with(kPrefix)) return Fault::kNone;
  const auto rest = request.filter.substr(kPrefix.size());
  const auto slash = rest.find('/');
  if (slash == 0 || slash == std::string_view::npos || slash + 1 == rest.size()) {
    return Fault::kFilter;
  }
  request.group = rest.substr(0, slash);
  request.filter = rest.substr(slash + 1);
  const bool wildcard = request.group.find_first_of("+#") != std::string_view::npos;
  return wildcard ? Fault::kFilter : Fault::kNone;
}

Fault check_options(Version version, const FilterRequest& request) {
  const unsigned reserved = version == Version::k5 ? 0xC0U : 0xFCU;
  if ((request.options & reserved) != 0) return Fault::kQos;  // [MQTT-3.8.3-4], v5 [-5]
  if ((request.options & kOptionQos) == 3) return Fault::kQos;
  if ((request.options & kOptionRetainHandling) == 0x30) return Fault::kPropertyValue;
  if (!request.group.empty() && (request.options & kOptionNoLocal) != 0) {
    return Fault::kPropertyValue;  // v5 [MQTT-3.8.3-4]
  }
  return Fault::kNone;
}

// The common shape of SUBSCRIBE and UNSUBSCRIBE: id, properties, then filters.
Fault read_filters(Version version, const Frame& frame, FiltersHead& head,
                   std::vector<FilterRequest>& filters) {
  filters.clear();
  if (frame.flags != 0x02) return Fault::kFlags;  // [MQTT-3.8.1-1], [MQTT-3.10.1-1]
  const bool is_subscribe = frame.type == PacketType::kSubscribe;
  WireReader reader(frame.body);
  head.packet_id = reader.u16();
  const auto properties = read_properties(version, reader);
  if (reader.failed()) return Fault::kTruncated;
  if (head.packet_id == 0) return Fault::kPacketId;
  const Fault fault = is_subscribe ? read_subscribe_properties(properties, head.subscription_id)
                                   : check_unsubscribe_properties(properties);
  if (fault != Fault::kNone) return fault;
  while (!reader.at_end()) {
    FilterRequest request;
    request.filter = reader.string();
    if (is_subscribe) request.options = reader.u8();
    if (reader.failed()) return Fault::kTruncated;
    if (!is_valid_utf8(request.filter)) return Fault::kUtf8;
    if (!is_valid_topic_filter(request.filter)) return Fault::kFilter;
    if (const Fault bad = take_group(request); bad != Fault::kNone) return bad;
    if (const Fault bad = check_options(version, request); bad != Fault::kNone) return bad;
    filters.push_back(request);
  }
  return filters.empty() ? Fault::kNoFilters : Fault::kNone;  // [MQTT-3.8.3-3], [MQTT-3.10.3-2]
}

}  // namespace

FrameState split_frame(std::string_view bytes, std::size_t max_packet_size, Frame& frame,
                       Fault& fault) {
  if (bytes.size() < 2) return FrameState::kPartial;
  std::size_t length = 0;
  std::size_t position = 1;
  for (unsigned shift = 0;; shift += 7) {
    if (shift == 28) {
      fault = Fault::kLength;
      return FrameState::kMalformed;
    }
    if (position == bytes.size()) return FrameState::kPartial;
    const auto byte = static_cast<std::uint8_t>(bytes[position++]);
    length |= static_cast<std::size_t>(byte & 0x7FU) << shift;
    if ((byte & 0x80U) == 0) break;
  }
  frame.size = position + length;
  if (frame.size > max_packet_size) {
    fault = Fault::kTooLarge;
    return FrameState::kMalformed;
  }
  if (frame.size > bytes.size()) return FrameState::kPartial;
  const auto head = static_cast<std::uint8_t>(bytes[0]);
  frame.type = static_cast<PacketType>(head >> 4U);
  frame.flags = head & 0x0FU;
  frame.body = bytes.substr(position, length);
  return FrameState::kComplete;
}

Fault decode_connect(std::string_view body, Connect& connect) {
  WireReader reader(body);
  if (const Fault fault = read_protocol(reader, connect.version); fault != Fault::kNone) {
    return fault;
  }
  const std::uint8_t flags = reader.u8();
  connect.keep_alive_s = reader.u16();
  if (reader.failed()) return Fault::kTruncated;
  if (const Fault fault = check_connect_flags(flags, connect.version); fault != Fault::kNone) {
    return fault;
  }
  connect.clean = (flags & kCleanFlag) != 0;
  connect.properties = read_properties(connect.version, reader);
  connect.client_id = reader.string();
  read_will(reader, flags, connect);
  connect.has_username = (flags & kUsernameFlag) != 0;
  if (connect.has_username) connect.username = reader.string();
  connect.has_password = (flags & kPasswordFlag) != 0;
  if (connect.has_password) connect.password = reader.string();
  if (const Fault fault = end_of(reader); fault != Fault::kNone) return fault;
  if (!is_valid_utf8(connect.client_id) || !is_valid_utf8(connect.username)) return Fault::kUtf8;
  if (connect.has_will && !is_valid_topic_name(connect.will.topic)) return Fault::kTopic;
  return Fault::kNone;
}

Fault decode_publish(Version version, std::uint8_t flags, std::string_view body, Publish& publish) {
  publish.qos = flags >> 1U & 3U;
  publish.retain = (flags & 0x01U) != 0;
  publish.dup = (flags & 0x08U) != 0;
  if (publish.qos == 3) return Fault::kQos;                   // [MQTT-3.3.1-4]
  if (publish.dup && publish.qos == 0) return Fault::kFlags;  // [MQTT-3.3.1-2]
  WireReader reader(body);
  publish.topic = reader.string();
  publish.packet_id = publish.qos > 0 ? reader.u16() : std::uint16_t{0};
  publish.properties = read_properties(version, reader);
  if (reader.failed()) return Fault::kTruncated;
  if (publish.qos > 0 && publish.packet_id == 0) return Fault::kPacketId;  // [MQTT-2.3.1-1]
  publish.payload = reader.rest();
  return Fault::kNone;
}

Fault decode_ack(Version version, const Frame& frame, Ack& ack) {
  const std::uint8_t wanted = frame.type == PacketType::kPubrel ? 0x02 : 0x00;
  if (frame.flags != wanted) return Fault::kFlags;  // [MQTT-3.6.1-1]
  WireReader reader(frame.body);
  ack.packet_id = reader.u16();
  const bool has_reason = version == Version::k5 && !reader.at_end();
  const Fault fault = has_reason ? read_reason(frame.type, reader, ack) : end_of(reader);
  if (fault != Fault::kNone) return fault;
  return ack.packet_id == 0 ? Fault::kPacketId : Fault::kNone;
}

Fault decode_subscribe(Version version, const Frame& frame, FiltersHead& head,
                       std::vector<FilterRequest>& filters) {
  return read_filters(version, frame, head, filters);
}

Fault decode_unsubscribe(Version version, const Frame& frame, FiltersHead& head,
                         std::vector<FilterRequest>& filters) {
  return read_filters(version, frame, head, filters);
}

Fault decode_disconnect(Version version, const Frame& frame, Disconnect& disconnect) {
  if (version != Version::k5) return decode_empty(frame);
  if (frame.flags != 0) return Fault::kFlags;  // [MQTT-3.14.1-1]
  WireReader reader(frame.body);
  std::string_view properties;
  if (!reader.at_end()) disconnect.reason = static_cast<Reason>(reader.u8());
  if (!reader.at_end()) properties = read_properties(version, reader);
  if (const Fault fault = end_of(reader); fault != Fault::kNone) return fault;
  if (!is_reason_of(frame.type, disconnect.reason)) return Fault::kReason;
  return read_disconnect_properties(properties, disconnect.session_expiry_s);
}

Fault decode_empty(const Frame& frame) {
  if (frame.flags != 0) return Fault::kFlags;  // [MQTT-3.14.1-1]
  return frame.body.empty() ? Fault::kNone : Fault::kTrailing;
}

}  // namespace tg::mqtt
