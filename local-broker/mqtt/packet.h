// The packets of MQTT 3.1, 3.1.1 and 5.0 as values: borrowed views of the bytes they came from.
// decode.h makes them from bytes, encode.h bytes from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tg::mqtt {

enum class Version : std::uint8_t { k31 = 3, k311 = 4, k5 = 5 };

enum class PacketType : std::uint8_t {
  kConnect = 1,
  kConnack = 2,
  kPublish = 3,
  kPuback = 4,
  kPubrec = 5,
  kPubrel = 6,
  kPubcomp = 7,
  kSubscribe = 8,
  kSuback = 9,
  kUnsubscribe = 10,
  kUnsuback = 11,
  kPingreq = 12,
  kPingresp = 13,
  kDisconnect = 14,
  kAuth = 15,
};

// What is wrong with a packet; also the label under which malformed packets are counted.
enum class Fault : std::uint8_t {
  kNone,
  kLength,        // a remaining length of more than four bytes
  kTooLarge,      // above the packet size limit
  kTruncated,     // a field passes the packet's end
  kTrailing,      // bytes after the last field
  kFlags,         // fixed header flags that the type does not allow
  kConnectFlags,  // contradictory connect flags
  kProtocolName,
  kProtocolLevel,
  kPacketId,  // zero
  kQos,       // 3, or reserved option bits
  kUtf8,
  kTopic,       // not a valid topic name
  kFilter,      // not a valid topic filter
  kNoFilters,   // SUBSCRIBE or UNSUBSCRIBE without any
  kUnexpected,  // a packet that may not come now
};
inline constexpr std::size_t kFaultCount = 16;

[[nodiscard]] const char* fault_name(Fault fault);

inline constexpr std::uint8_t kAccepted = 0;  // CONNACK, every version
// CONNACK return codes before version 5.
inline constexpr std::uint8_t kUnacceptableVersion = 1;
inline constexpr std::uint8_t kIdentifierRejected = 2;
inline constexpr std::uint8_t kServerUnavailable = 3;
inline constexpr std::uint8_t kBadCredentials = 4;
inline constexpr std::uint8_t kNotAuthorised = 5;
inline constexpr std::uint8_t kSubackFailure = 0x80;
// Reason codes of version 5.
inline constexpr std::uint8_t kReasonUnsupportedVersion = 0x84;

struct Will {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // version 5: the bytes without their length
  std::uint8_t qos = 0;
  bool retain = false;
};

struct Connect {
  Version version = Version::k311;
  bool clean = true;
  bool has_will = false;
  bool has_username = false;
  bool has_password = false;
  std::uint16_t keep_alive_s = 0;
  std::string_view client_id;
  std::string_view username;
  std::string_view password;
  std::string_view properties;  // version 5
  Will will;
};

struct Publish {
  std::string_view topic;
  std::string_view payload;
  std::string_view properties;  // version 5
  std::uint16_t packet_id = 0;  // 0 at QoS 0
  std::uint8_t qos = 0;
  bool dup = false;
  bool retain = false;
};

struct FilterRequest {
  std::string_view filter;
  std::uint8_t options = 0;  // bits 0-1 QoS; version 5: no-local, retain-as-published, handling
};

}  // namespace tg::mqtt
