// The properties of MQTT 5: read and checked, and written. Before version 5 there are none.
//
//   properties := length (variable integer), { identifier, value }*
//
// Here a property list is its bytes without the length. What a server passes on from a publisher to
// its subscribers stays bytes: nothing is taken apart that need not be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "local-broker/mqtt/packet.h"

namespace tg::mqtt {

enum class Property : std::uint8_t {
  kPayloadFormat = 0x01,
  kMessageExpiry = 0x02,
  kContentType = 0x03,
  kResponseTopic = 0x08,
  kCorrelationData = 0x09,
  kSubscriptionId = 0x0B,
  kSessionExpiry = 0x11,
  kAssignedClientId = 0x12,
  kServerKeepAlive = 0x13,
  kAuthenticationMethod = 0x15,
  kAuthenticationData = 0x16,
  kRequestProblemInformation = 0x17,
  kWillDelay = 0x18,
  kRequestResponseInformation = 0x19,
  kResponseInformation = 0x1A,
  kServerReference = 0x1C,
  kReasonString = 0x1F,
  kReceiveMaximum = 0x21,
  kTopicAliasMaximum = 0x22,
  kTopicAlias = 0x23,
  kMaximumQos = 0x24,
  kRetainAvailable = 0x25,
  kUserProperty = 0x26,
  kMaximumPacketSize = 0x27,
  kWildcardAvailable = 0x28,
  kSubscriptionIdAvailable = 0x29,
  kSharedAvailable = 0x2A,
};

struct ConnectProperties {
  std::uint32_t session_expiry_s = 0;
  std::uint32_t max_packet_size = 0;  // 0 = no limit
  std::uint16_t receive_maximum = 65'535;
  std::uint16_t topic_alias_maximum = 0;
  bool problem_information = true;
  bool has_authentication = false;
};

// Of a PUBLISH or a will.
struct PublishProperties {
  std::optional<std::uint32_t> expiry_s;
  std::uint32_t will_delay_s = 0;            // a will's only
  std::optional<std::uint16_t> topic_alias;  // a PUBLISH's only
  bool verbatim = true;                      // all of it is passed on: see append_passed_on
};

// Each of these checks the whole list: kProperty when it is malformed or holds what the packet may
// not have, kPropertyValue when one stands twice or has a value that is not allowed.
[[nodiscard]] Fault read_connect_properties(std::string_view bytes, ConnectProperties& out);
[[nodiscard]] Fault read_publish_properties(std::string_view bytes, PublishProperties& out);
[[nodiscard]] Fault read_will_properties(std::string_view bytes, PublishProperties& out);
// 0 when there is none.
[[nodiscard]] Fault read_subscribe_properties(std::string_view bytes, std::uint32_t& identifier);
[[nodiscard]] Fault read_disconnect_properties(std::string_view bytes,
                                               std::optional<std::uint32_t>& session_expiry_s);
// User properties only (UNSUBSCRIBE), and with a reason string (PUBACK and the like).
[[nodiscard]] Fault check_unsubscribe_properties(std::string_view bytes);
[[nodiscard]] Fault check_ack_properties(std::string_view bytes);

// Walks a list that has been checked.
class PropertyCursor {
 public:
  struct Item {
    Property property = Property::kPayloadFormat;
    std::uint32_t number = 0;  // the value, if it is one
    std::string_view name;     // of a user property
    std::string_view text;     // the value, if it is text or bytes
    std::string_view bytes;    // all of it, with its identifier
  };

  explicit PropertyCursor(std::string_view list) : rest_(list) {}
  // False at the end.
  [[nodiscard]] bool next(Item& item);

 private:
  std::string_view rest_;
};

// Appends what a receiver gets of a publisher's list, in its order: all but topic alias, message
// expiry and will delay, which are the server's to set. The list must have been read.
void append_passed_on(std::string& out, std::string_view bytes);

void put_property(std::string& out, Property property, std::uint8_t value);
void put_property(std::string& out, Property property, std::uint16_t value);
void put_property(std::string& out, Property property, std::uint32_t value);
void put_property(std::string& out, Property property, std::string_view value);
// At most kMaxVariableInteger.
void put_subscription_id(std::string& out, std::uint32_t identifier);

}  // namespace tg::mqtt
