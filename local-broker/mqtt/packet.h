// The packets of MQTT 3.1, 3.1.1 and 5.0 as values: borrowed views of the bytes they came from.
// decode.h makes them from bytes, encode.h bytes from them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
  kTopic,           // not a valid topic name
  kFilter,          // not a valid topic filter
  kNoFilters,       // SUBSCRIBE or UNSUBSCRIBE without any
  kUnexpected,      // a packet that may not come now
  kProperty,        // version 5: a property that is malformed or has no place in its packet
  kPropertyValue,   // … that stands twice or has a value that is not allowed
  kTopicAlias,      // version 5: zero, or above the maximum
  kReceiveMaximum,  // version 5: more publishes at once than were allowed
  kReason,          // version 5: a reason code that the packet may not have
  kWebSocket,       // not of the packet: a frame around it that RFC 6455 forbids
  kNoMemory,        // a limit of ours: no room for its packet or topic alias
};
inline constexpr std::size_t kFaultCount = 23;

[[nodiscard]] const char* fault_name(Fault fault);

inline constexpr std::uint8_t kAccepted = 0;  // CONNACK, every version
// CONNACK return codes before version 5.
inline constexpr std::uint8_t kUnacceptableVersion = 1;
inline constexpr std::uint8_t kIdentifierRejected = 2;
inline constexpr std::uint8_t kCodeServerUnavailable = 3;
inline constexpr std::uint8_t kCodeBadCredentials = 4;
inline constexpr std::uint8_t kCodeNotAuthorised = 5;
inline constexpr std::uint8_t kSubackFailure = 0x80;

// Reason codes of version 5; those of 0x80 and above are failures.
enum class Reason : std::uint8_t {
  kSuccess = 0x00,
  kDisconnectWithWill = 0x04,
  kNoMatchingSubscribers = 0x10,
  kNoSubscriptionExisted = 0x11,
  kUnspecified = 0x80,
  kMalformedPacket = 0x81,
  kProtocolError = 0x82,
  kImplementationSpecific = 0x83,
  kUnsupportedVersion = 0x84,
  kIdentifierNotValid = 0x85,
  kBadCredentials = 0x86,
  kNotAuthorised = 0x87,
  kServerUnavailable = 0x88,
  kServerShuttingDown = 0x8B,
  kBadAuthenticationMethod = 0x8C,
  kKeepAliveTimeout = 0x8D,
  kSessionTakenOver = 0x8E,
  kTopicFilterInvalid = 0x8F,
  kTopicNameInvalid = 0x90,
  kPacketIdNotFound = 0x92,
  kReceiveMaximumExceeded = 0x93,
  kTopicAliasInvalid = 0x94,
  kPacketTooLarge = 0x95,
  kQuotaExceeded = 0x97,
  kAdministrativeAction = 0x98,
};
[[nodiscard]] constexpr bool is_failure(Reason reason) {
  return static_cast<std::uint8_t>(reason) >= 0x80;
}
// Whether a client may send this code in PUBACK, PUBREC, PUBREL, PUBCOMP or DISCONNECT.
[[nodiscard]] bool is_reason_of(PacketType type, Reason reason);
// Why, in words for the peer; of what is answered to a PUBLISH or SUBSCRIBE.
[[nodiscard]] std::string_view reason_text(Reason reason);
// How a version 5 peer is told.
[[nodiscard]] Reason reason_of(Fault fault);

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

// The options byte of a SUBSCRIBE. Before version 5 only the QoS.
inline constexpr std::uint8_t kOptionQos = 0x03;
inline constexpr std::uint8_t kOptionNoLocal = 0x04;
inline constexpr std::uint8_t kOptionRetainAsPublished = 0x08;
inline constexpr std::uint8_t kOptionRetainHandling = 0x30;
inline constexpr std::uint8_t kRetainIfNew = 0x10;
inline constexpr std::uint8_t kRetainNever = 0x20;

struct FilterRequest {
  std::string_view filter;  // without its "$share/group/"
  std::string_view group;   // of a shared subscription; else empty
  std::uint8_t options = 0;
};

// The body of SUBSCRIBE or UNSUBSCRIBE beside its filters.
struct FiltersHead {
  std::uint16_t packet_id = 0;
  std::uint32_t subscription_id = 0;  // version 5; 0 = none
};

// PUBACK, PUBREC, PUBREL, PUBCOMP.
struct Ack {
  std::uint16_t packet_id = 0;
  Reason reason = Reason::kSuccess;
};

// From a client. Before version 5 it is empty.
struct Disconnect {
  Reason reason = Reason::kSuccess;
  std::optional<std::uint32_t> session_expiry_s;
};

}  // namespace tg::mqtt
